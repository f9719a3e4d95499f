-- The journal, the only truth: every record ever accepted, in the order of commit.
CREATE TABLE journal (
    seq bigint PRIMARY KEY CONSTRAINT journal_seq_check CHECK (seq > 0),
    kind text NOT NULL,
    actor text NOT NULL,
    key text,
    scope text NOT NULL,
    scope_seq bigint NOT NULL CONSTRAINT journal_scope_seq_check CHECK (scope_seq > 0),
    recorded_at timestamptz NOT NULL,
    payload bytea NOT NULL,
    payload_salt bytea NOT NULL CONSTRAINT journal_payload_salt_check CHECK (octet_length(payload_salt) = 32),
    judgment bytea NOT NULL,
    judgment_salt bytea NOT NULL CONSTRAINT journal_judgment_salt_check CHECK (octet_length(judgment_salt) = 32),
    envelope bytea NOT NULL,
    leaf_hash bytea NOT NULL CONSTRAINT journal_leaf_hash_check CHECK (octet_length(leaf_hash) = 32),
    CONSTRAINT journal_scope_key UNIQUE (scope, scope_seq)
);
CREATE INDEX journal_recorded_at ON journal (recorded_at);
-- What became known about parties, chips, authorizations and rulebooks is rare among movements.
CREATE INDEX journal_facts ON journal (kind, seq) WHERE kind NOT IN ('movement.posted', 'request.refused');
-- So are refusals, and a page that shows them must not read all movements.
CREATE INDEX journal_refusals ON journal (seq) WHERE kind = 'request.refused';
-- And movements that are marked unconfirmed, of which every total of a country or a recipient tells how much they are.
CREATE INDEX journal_unconfirmed ON journal (seq)
    WHERE kind = 'movement.posted' AND position('"confidence":"unconfirmed"'::bytea IN payload) > 0;
-- The hashed bytes are kept exactly, and reading a part of them needs no decompression.
ALTER TABLE journal
    ALTER COLUMN payload SET STORAGE EXTERNAL,
    ALTER COLUMN judgment SET STORAGE EXTERNAL,
    ALTER COLUMN envelope SET STORAGE EXTERNAL,
    SET (toast_tuple_target = 8160);

-- Projections: each can be emptied and rebuilt from the journal, and comes back the same.

CREATE TABLE head (
    one boolean PRIMARY KEY DEFAULT true CONSTRAINT head_one_check CHECK (one),
    size bigint NOT NULL CONSTRAINT head_size_check CHECK (size >= 0),
    frontier bytea NOT NULL CONSTRAINT head_frontier_check CHECK (octet_length(frontier) % 32 = 0),
    root bytea NOT NULL CONSTRAINT head_root_check CHECK (octet_length(root) = 32),
    recorded_at timestamptz,
    profiles integer NOT NULL
);
-- The root of an empty tree is the hash of nothing.
INSERT INTO head (one, size, frontier, root, recorded_at, profiles) VALUES (true, 0, '', sha256(''), NULL, 0);

CREATE TABLE scope (
    scope text PRIMARY KEY,
    party text CONSTRAINT scope_party_key UNIQUE,
    size bigint NOT NULL CONSTRAINT scope_size_check CHECK (size >= 0)
);

CREATE TABLE request_key (
    organization text NOT NULL,
    key text NOT NULL,
    seq bigint NOT NULL,
    fingerprint bytea NOT NULL,
    PRIMARY KEY (organization, key)
);

CREATE TABLE fact (
    seq bigint PRIMARY KEY,
    kind text NOT NULL,
    subject text NOT NULL,
    valid_from date,
    body jsonb NOT NULL
);
CREATE INDEX fact_subject ON fact (kind, subject);

CREATE TABLE profile (
    id integer PRIMARY KEY,
    sha256 bytea NOT NULL CONSTRAINT profile_sha256_key UNIQUE,
    body jsonb NOT NULL,
    names text[] GENERATED ALWAYS AS (ARRAY[body->>'exporter', body->>'recipient', body->>'owner', body->>'operator',
        body->>'booked_to', body->>'lab']) STORED
);

CREATE TABLE lot (
    seq bigint NOT NULL,
    line smallint NOT NULL,
    stage text NOT NULL CONSTRAINT lot_stage_check CHECK (stage IN ('reserved', 'licensed', 'shipped', 'authorized')),
    profile integer NOT NULL,
    authorization_id text NOT NULL,
    recipient text NOT NULL,
    destination text NOT NULL,
    chip text NOT NULL,
    day date NOT NULL,
    last_day date,
    unit text NOT NULL CONSTRAINT lot_unit_check CHECK (unit IN ('chips', 'tpp')),
    amount numeric NOT NULL,
    open numeric NOT NULL,
    in_transit numeric NOT NULL,
    installed numeric NOT NULL,
    changed_on date NOT NULL,
    emptied boolean NOT NULL, -- nothing is left to draw on: then it is found only by its number
    PRIMARY KEY (seq, line)
) WITH (fillfactor = 80);
-- No index names a balance, so that a balance changes in place.
CREATE INDEX lot_of_authorization ON lot (authorization_id) WHERE stage = 'licensed' AND NOT emptied;
CREATE INDEX lot_at_place ON lot (recipient, destination, chip)
    WHERE stage <> 'licensed' AND NOT emptied;

CREATE TABLE reversal (
    record bigint PRIMARY KEY,
    reversed_by bigint NOT NULL
);

CREATE TABLE entry (
    seq bigint NOT NULL,
    n integer NOT NULL,
    line smallint NOT NULL,
    stage text NOT NULL,
    cause text,
    lot_seq bigint NOT NULL,
    lot_line smallint NOT NULL,
    profile integer NOT NULL,
    lot_day date NOT NULL,
    effective_on date NOT NULL,
    last_day date,
    chips bigint,
    tpp numeric NOT NULL,
    PRIMARY KEY (seq, n)
);
CREATE INDEX entry_profile ON entry (profile);
CREATE INDEX entry_lot ON entry (lot_seq, lot_line);

CREATE TABLE counter_day (
    book bigint NOT NULL,
    cap text NOT NULL,
    subject text NOT NULL,
    window_from date NOT NULL, -- 0001-01-01 where the window has no first day
    day date NOT NULL,
    tpp numeric NOT NULL,
    chips bigint NOT NULL,
    doubt_tpp numeric NOT NULL,
    doubt_chips bigint NOT NULL,
    unstated_tpp numeric NOT NULL,
    PRIMARY KEY (book, cap, subject, window_from, day)
);

CREATE TABLE stage_day (
    destination text NOT NULL,
    stage text NOT NULL,
    day date NOT NULL,
    tpp numeric NOT NULL,
    PRIMARY KEY (destination, stage, day)
);

CREATE TABLE discrepancy (
    id bigint PRIMARY KEY,
    class text NOT NULL,
    book text,
    cap text,
    subject text NOT NULL,
    window_from date,
    amount text NOT NULL,
    unit text NOT NULL,
    effective_on date NOT NULL,
    opened_at timestamptz NOT NULL,
    owner text NOT NULL,
    state text NOT NULL CONSTRAINT discrepancy_state_check CHECK (state IN ('open', 'explained', 'resolved')),
    note text NOT NULL,
    last_seq bigint NOT NULL
);
CREATE UNIQUE INDEX discrepancy_unresolved
    ON discrepancy (class, coalesce(book, ''), coalesce(cap, ''), subject, coalesce(window_from, '0001-01-01'))
    WHERE state <> 'resolved';

CREATE TABLE reconciliation (
    seq bigint PRIMARY KEY,
    number bigint NOT NULL,
    effective_on date NOT NULL,
    rulebook text NOT NULL,
    inputs_sha256 text NOT NULL,
    digest text NOT NULL,
    predecessor_seq bigint,
    body bytea NOT NULL
);

CREATE TABLE proposal (
    seq bigint PRIMARY KEY,
    state text NOT NULL CONSTRAINT proposal_state_check CHECK (state IN ('open', 'approved', 'declined')),
    decided_by bigint,
    CONSTRAINT proposal_decided_check CHECK ((state = 'open') = (decided_by IS NULL))
);

-- Working tables: no answer about chips reads them.

CREATE TABLE job_run (
    job text NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    worker text NOT NULL,
    PRIMARY KEY (job, period_start),
    CONSTRAINT job_run_period_check CHECK (period_end > period_start)
);

-- Who may ask. A secret is kept as its hash only.
CREATE TABLE access_key (
    id text PRIMARY KEY,
    secret_sha256 bytea NOT NULL CONSTRAINT access_key_secret_sha256_check CHECK (octet_length(secret_sha256) = 32),
    person text NOT NULL,
    role text NOT NULL CONSTRAINT access_key_role_check CHECK (role IN ('regulator', 'exporter', 'auditor', 'operator')),
    party text NOT NULL CONSTRAINT access_key_party_check CHECK ((role = 'exporter') = (party <> '')),
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CONSTRAINT access_key_expires_at_check CHECK (expires_at > issued_at),
    revoked_at timestamptz,
    replaces text
);

-- The role that stands for a party in this database; none where the server would not make one.
CREATE TABLE party_role (
    party text PRIMARY KEY,
    role text CONSTRAINT party_role_role_key UNIQUE
);

CREATE TABLE session (
    token_sha256 bytea PRIMARY KEY CONSTRAINT session_token_sha256_check CHECK (octet_length(token_sha256) = 32),
    key_id text NOT NULL,
    opened_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

-- How many more times somebody may try at once: a bucket that refills with time.
CREATE TABLE attempt (
    who bytea PRIMARY KEY,
    tries numeric NOT NULL CONSTRAINT attempt_tries_check CHECK (tries >= 0),
    tried_at timestamptz NOT NULL,
    allowed boolean NOT NULL
);
