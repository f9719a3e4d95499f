-- Every statement the ledger runs, by name, with a sentence each. Parameters are named; none is ever built from text.

-- name: lock_head
-- The journal's end, locked first, and which of some organizations' keys are settled, by which record, as what.
SELECT size, frontier, recorded_at, profiles, organizations, keys, seqs, fingerprints
    FROM lock_head(%(askers)s::text[], %(asked)s::text[]);

-- name: post_few
-- A few rows of each table, in one round trip.
SELECT post_few(%(batch)s::jsonb);

-- name: prefer_indexes
-- All that a writer looks up has an index; statistics lag behind a fast import.
SET enable_seqscan = off;

-- name: post_few_at
-- The same, if the journal is still so long and none of the keys is settled; says whether it was.
SELECT post_few_at($1::bigint, $2::text[], $3::text[], $4::jsonb);

-- name: head
-- The journal's end, as readers see it.
SELECT size, frontier, recorded_at, profiles, root FROM head;

-- name: journal_end
-- How many records the journal itself has, whatever its head says.
SELECT coalesce(max(seq), 0) FROM journal;

-- name: end_kept
-- The journal's end, and a number that changes when the projections are made anew.
SELECT size, pg_relation_filenode('counter_day')::bigint FROM head;

-- name: begin_reading
-- One snapshot for all that follows, which only reads, and the journal's end in it.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT size, pg_relation_filenode('counter_day')::bigint FROM head;

-- name: move_head
-- The new end of the journal.
UPDATE head SET size = %(size)s, frontier = %(frontier)s, root = %(root)s, recorded_at = %(recorded_at)s,
    profiles = %(profiles)s;

-- name: position_at
-- The last record at or before a moment; nothing where there is none.
SELECT max(seq) FROM journal WHERE recorded_at <= %(moment)s;

-- name: answers
-- Leaf hashes of records, and the judgment of those whose receipt says more than that they were posted.
SELECT seq, leaf_hash,
    CASE WHEN kind IN ('request.refused', 'proposal.made', 'proposal.decided') THEN judgment END
FROM journal WHERE seq = ANY(%(seqs)s);

-- name: settled_key
-- Which record answered one key of an organization for ever, as what.
SELECT seq, fingerprint FROM request_key WHERE organization = %(organization)s AND key = %(key)s;

-- name: proposal
-- One proposal: its state, what decided it, and what was proposed.
SELECT state, decided_by, payload FROM proposal JOIN journal USING (seq) WHERE proposal.seq = %(seq)s;

-- name: decide_proposal
-- A proposal's state after its decision.
UPDATE proposal SET state = %(state)s, decided_by = %(seq)s WHERE seq = %(proposal)s;

-- name: proposals
-- Proposals up to a record with their decisions up to it, oldest first; the decided ones too where they are asked for.
SELECT made.seq, made.recorded_at, made.payload, made.judgment,
    decision.seq, decision.recorded_at, decision.payload, decision.judgment
FROM proposal JOIN journal AS made USING (seq)
    LEFT JOIN journal AS decision ON decision.seq = decided_by AND decision.seq <= %(known)s
WHERE made.seq <= %(known)s AND (%(decided)s OR decision.seq IS NULL) ORDER BY made.seq;

-- name: proposal_known
-- The same of one proposal.
SELECT made.seq, made.recorded_at, made.payload, made.judgment,
    decision.seq, decision.recorded_at, decision.payload, decision.judgment
FROM proposal JOIN journal AS made USING (seq)
    LEFT JOIN journal AS decision ON decision.seq = decided_by AND decision.seq <= %(known)s
WHERE made.seq <= %(known)s AND made.seq = %(seq)s;

-- name: actor
-- Who asked for one record.
SELECT actor FROM journal WHERE seq = %(seq)s;

-- name: payload
-- What was asked by one record.
SELECT payload FROM journal WHERE seq = %(seq)s;

-- name: records
-- The journal in order, from one record to another, both included.
SELECT seq, kind, actor, key, scope, scope_seq, recorded_at, payload, payload_salt, judgment, judgment_salt, envelope,
    leaf_hash
FROM journal WHERE seq BETWEEN %(first)s AND %(last)s ORDER BY seq;

-- name: facts
-- What was stated of parties, chips, authorizations, rulebooks and periods after one record and up to another.
SELECT seq, kind, subject, valid_from, body FROM fact
WHERE seq > %(after)s AND seq <= %(known)s AND kind <> 'notice' ORDER BY seq;

-- name: scopes
-- Each party's scope and how many records it has.
SELECT scope, party, size FROM scope;

-- name: move_scopes
-- New sizes of scopes; a scope seen for the first time is added.
INSERT INTO scope (scope, party, size)
SELECT * FROM unnest(%(scopes)s::text[], %(parties)s::text[], %(sizes)s::bigint[])
ON CONFLICT (scope) DO UPDATE SET size = excluded.size;

-- name: profiles
-- Profiles by number.
SELECT id, body FROM profile WHERE id = ANY(%(ids)s);

-- name: profile_ids
-- The numbers of profiles after one, by hash.
SELECT id, sha256 FROM profile WHERE id > %(after)s;

-- name: profiles_alike
-- Profiles by the kind of their authorization and their destination.
SELECT body->>'authorization_kind', body->>'destination', array_agg(id) FROM profile GROUP BY 1, 2;

-- name: profiles_stating
-- The profiles that state some facts, and go to one of some destinations where any are named.
SELECT id FROM profile
WHERE body @> %(stated)s::jsonb
    AND (cardinality(%(destinations)s::text[]) = 0 OR body->>'destination' = ANY(%(destinations)s::text[]))
ORDER BY id;

-- name: profiles_after
-- Every profile after one, with the facts it froze; numbers have no gaps.
SELECT id, body FROM profile WHERE id > %(after)s ORDER BY id;

-- name: lots
-- Lots by the record and line that opened them.
SELECT seq, line, stage, profile, day, last_day, unit, amount, open, in_transit, installed, changed_on
FROM lot JOIN unnest(%(seqs)s::bigint[], %(lines)s::smallint[]) AS wanted (seq, line) USING (seq, line);

-- name: lots_of
-- Grant lots of authorizations that can still be drawn on.
SELECT seq, line, stage, profile, day, last_day, unit, amount, open, in_transit, installed, changed_on
FROM lot WHERE authorization_id = ANY(%(authorizations)s) AND stage = 'licensed' AND NOT emptied;

-- name: lots_at
-- Reservation and shipment lots at places that are not emptied.
SELECT lot.seq, line, stage, profile, day, last_day, unit, amount, open, in_transit, installed, changed_on
FROM lot JOIN unnest(%(recipients)s::text[], %(destinations)s::text[], %(chips)s::text[])
    AS wanted (recipient, destination, chip) USING (recipient, destination, chip)
WHERE stage <> 'licensed' AND NOT emptied;

-- name: lots_moving_at
-- Shipment lots at places of which something is in transit.
SELECT lot.seq, line, stage, profile, day, last_day, unit, amount, open, in_transit, installed, changed_on
FROM lot JOIN unnest(%(recipients)s::text[], %(destinations)s::text[], %(chips)s::text[])
    AS wanted (recipient, destination, chip) USING (recipient, destination, chip)
WHERE stage <> 'licensed' AND NOT emptied AND in_transit <> 0;

-- name: lapsed_lots
-- Lots with something left that lapsed before a day.
SELECT seq, line, stage, profile, day, last_day, unit, amount, open, in_transit, installed, changed_on
FROM lot WHERE open > 0 AND stage <> 'shipped' AND last_day < %(day)s ORDER BY last_day, seq, line;

-- name: granted
-- What was granted under an authorization, less what was released.
SELECT coalesce(sum(entry.tpp), 0), coalesce(sum(entry.chips), 0)::bigint
FROM entry JOIN lot ON lot.seq = lot_seq AND lot.line = lot_line
WHERE lot.authorization_id = %(authorization)s AND lot.stage = 'licensed' AND entry.stage = 'licensed';

-- name: entries_of
-- The entries of one record, in order.
SELECT entry.line, entry.stage, cause, lot_seq, lot_line, entry.profile, lot_day, effective_on, entry.last_day, chips, tpp
FROM entry WHERE entry.seq = %(seq)s ORDER BY n;

-- name: entries_after
-- The entries of the records after one and up to another, in order; at most so many.
SELECT line, stage, cause, lot_seq, lot_line, profile, lot_day, effective_on, last_day, chips, tpp
FROM entry WHERE seq > %(after)s AND seq <= %(known)s ORDER BY seq, n LIMIT %(most)s;

-- name: history_of
-- The changes of what is installed of one lot, by day, in the lot's unit.
SELECT effective_on, sum(CASE WHEN lot.unit = 'chips' THEN entry.chips ELSE entry.tpp END)
FROM entry JOIN lot ON lot.seq = lot_seq AND lot.line = lot_line
WHERE lot_seq = %(seq)s AND lot_line = %(line)s AND entry.stage = 'installed'
GROUP BY effective_on ORDER BY effective_on;

-- name: reversed_by
-- The record that reverses another.
SELECT reversed_by FROM reversal WHERE record = %(record)s;

-- name: counters
-- Daily changes of counters from a day on, and under that day their sum before it.
SELECT book, cap, subject, window_from,
    CASE WHEN day < %(first)s THEN NULL ELSE day END AS on_day,
    sum(tpp), sum(chips)::bigint, sum(doubt_tpp), sum(doubt_chips)::bigint, sum(unstated_tpp)
FROM counter_day JOIN unnest(%(books)s::bigint[], %(caps)s::text[], %(subjects)s::text[], %(windows)s::date[])
    AS wanted (book, cap, subject, window_from) USING (book, cap, subject, window_from)
GROUP BY 1, 2, 3, 4, 5;

-- name: keys_of_cap
-- The subjects and windows of one cap that anything counts in.
SELECT DISTINCT subject, window_from FROM counter_day WHERE book = %(book)s AND cap = %(cap)s;

-- name: counters_of_book
-- All counters of one adoption on a day: what is used, per cap, subject and window.
SELECT cap, subject, window_from, sum(tpp), sum(chips)::bigint, sum(doubt_tpp), sum(doubt_chips)::bigint,
    sum(unstated_tpp)
FROM counter_day WHERE book = %(book)s AND day <= %(day)s GROUP BY 1, 2, 3;

-- name: counters_of_caps
-- The same, of some caps only.
SELECT cap, subject, window_from, sum(tpp), sum(chips)::bigint, sum(doubt_tpp), sum(doubt_chips)::bigint,
    sum(unstated_tpp)
FROM counter_day WHERE book = %(book)s AND cap = ANY(%(caps)s::text[]) AND day <= %(day)s GROUP BY 1, 2, 3;

-- name: counters_on
-- The same, of some counters only.
SELECT cap, subject, window_from, sum(tpp), sum(chips)::bigint, sum(doubt_tpp), sum(doubt_chips)::bigint,
    sum(unstated_tpp)
FROM counter_day JOIN unnest(%(caps)s::text[], %(subjects)s::text[], %(windows)s::date[])
    AS wanted (cap, subject, window_from) USING (cap, subject, window_from)
WHERE book = %(book)s AND day <= %(day)s GROUP BY 1, 2, 3;

-- name: counters_naming
-- The same, of counters whose subject names one of some things.
SELECT cap, subject, window_from, sum(tpp), sum(chips)::bigint, sum(doubt_tpp), sum(doubt_chips)::bigint,
    sum(unstated_tpp)
FROM counter_day
WHERE book = %(book)s AND day <= %(day)s
    AND EXISTS (SELECT FROM unnest(%(named)s::text[]) AS text WHERE position(text IN subject) > 0)
GROUP BY 1, 2, 3;

-- name: add_to_counters
-- Changes of counters by day, added to what is there.
INSERT INTO counter_day AS c (book, cap, subject, window_from, day, tpp, chips, doubt_tpp, doubt_chips, unstated_tpp)
SELECT * FROM unnest(%(books)s::bigint[], %(caps)s::text[], %(subjects)s::text[], %(windows)s::date[], %(days)s::date[],
    %(tpp)s::numeric[], %(chips)s::bigint[], %(doubt_tpp)s::numeric[], %(doubt_chips)s::bigint[],
    %(unstated_tpp)s::numeric[])
ON CONFLICT (book, cap, subject, window_from, day) DO UPDATE SET tpp = c.tpp + excluded.tpp,
    chips = c.chips + excluded.chips, doubt_tpp = c.doubt_tpp + excluded.doubt_tpp,
    doubt_chips = c.doubt_chips + excluded.doubt_chips, unstated_tpp = c.unstated_tpp + excluded.unstated_tpp;

-- name: add_to_stages
-- Changes of destinations' stages by day, added to what is there.
INSERT INTO stage_day AS s (destination, stage, day, tpp)
SELECT * FROM unnest(%(destinations)s::text[], %(stages)s::text[], %(days)s::date[], %(tpp)s::numeric[])
ON CONFLICT (destination, stage, day) DO UPDATE SET tpp = s.tpp + excluded.tpp;

-- name: stages_of_entries
-- The same computed from all entries, into an empty table; what is open or reserved goes the day after its last day.
INSERT INTO stage_day (destination, stage, day, tpp)
SELECT body->>'destination', stage, on_day, sum(change)
FROM entry JOIN profile ON profile.id = entry.profile CROSS JOIN LATERAL (
    SELECT effective_on, tpp
    UNION ALL
    SELECT last_day + 1, -tpp WHERE stage IN ('reserved', 'open') AND last_day < '9999-12-31'
) AS moved (on_day, change)
WHERE stage NOT IN ('reserved', 'open') OR last_day IS NULL OR last_day >= effective_on
GROUP BY 1, 2, 3;

-- name: stages_on
-- What is in each stage in each destination on a day, at the journal's end.
SELECT destination, stage, sum(tpp) FROM stage_day WHERE day <= %(day)s GROUP BY 1, 2;

-- name: change_lots
-- New balances of lots that are there already.
UPDATE lot SET last_day = new.last_day, open = new.open, in_transit = new.in_transit, installed = new.installed,
    changed_on = new.changed_on, emptied = new.emptied
FROM unnest(%(seqs)s::bigint[], %(lines)s::smallint[], %(last_days)s::date[], %(open)s::numeric[],
    %(in_transit)s::numeric[], %(installed)s::numeric[], %(changed_on)s::date[], %(emptied)s::boolean[])
    AS new (seq, line, last_day, open, in_transit, installed, changed_on, emptied)
WHERE lot.seq = new.seq AND lot.line = new.line;

-- name: entry_sums
-- Entries up to a record, added up where they are alike in all that the lens looks at.
SELECT profile, stage, coalesce(cause, ''), lot_day, effective_on, last_day, chips IS NULL, sum(chips)::bigint, sum(tpp)
FROM entry WHERE seq <= %(known)s GROUP BY 1, 2, 3, 4, 5, 6, 7;

-- name: entry_sums_of
-- The same, of some profiles only.
SELECT profile, stage, coalesce(cause, ''), lot_day, effective_on, last_day, chips IS NULL, sum(chips)::bigint, sum(tpp)
FROM entry WHERE seq <= %(known)s AND profile = ANY(%(profiles)s) GROUP BY 1, 2, 3, 4, 5, 6, 7;

-- name: room_to_add_up
-- Memory for sums of many entries, until the transaction ends: sorting them on disk takes twice as long.
SELECT set_config('work_mem', '32MB', true);

-- name: entry_sums_alike
-- Entries of some profiles after a record and up to another, added up where they do the same to counters: of profiles of
-- one class, in the stages that count for it (a bit each), on days between the same two edges. Days from `first` on are
-- told apart, and the days of lots where those are asked for; what is dated after `until` is left out. Classes and stages
-- are arrays by a profile's number: looking there is quicker than any join. OFFSET 0 and keys in one number keep the
-- planner from expecting as many groups as there are days.
SELECT class, stage, cause, min(lot_day), min(effective_on), min(later), unstated, sum(chips)::bigint, sum(tpp)
FROM (
    SELECT (%(classes)s::integer[])[profile] AS class, stage, coalesce(cause, '') AS cause, lot_day, effective_on,
        CASE WHEN last_day IS NOT NULL THEN greatest(last_day, effective_on - 1) END AS later, chips IS NULL AS unstated,
        chips, tpp
    FROM entry
    WHERE profile = ANY(%(profiles)s::integer[]) AND seq > %(after)s AND seq <= %(known)s
        AND effective_on <= %(until)s::date AND (%(stages)s::integer[])[profile] & CASE stage
            WHEN 'reserved' THEN 1 WHEN 'licensed' THEN 2 WHEN 'open' THEN 4 WHEN 'shipped' THEN 8
            WHEN 'received' THEN 16 WHEN 'installed' THEN 32 WHEN 'authorized' THEN 64 END <> 0
    OFFSET 0
) AS counted
GROUP BY class, stage, cause, unstated, later IS NULL,
    width_bucket(lot_day, %(edges)s::date[])::bigint << 40 | width_bucket(effective_on, %(edges)s::date[])::bigint << 20
        | coalesce(width_bucket(later, %(eves)s::date[]), 0),
    CASE WHEN effective_on >= %(first)s::date THEN effective_on - '0001-01-01'::date ELSE -1 END::bigint << 24
        | CASE WHEN later + 1 >= %(first)s::date THEN later - '0001-01-01'::date + 1 ELSE 0 END,
    CASE WHEN %(lots)s THEN lot_day END;

-- name: stage_totals
-- What each profile has in each stage on a day, as known at a record, apart by whether its last day is over.
SELECT profile, stage, coalesce(last_day < %(day)s, false), chips IS NULL, sum(chips)::bigint, sum(tpp)
FROM entry WHERE seq <= %(known)s AND effective_on <= %(day)s GROUP BY 1, 2, 3, 4;

-- name: entries_naming
-- What moved at lots whose profile names a party, country, authorization or chip, newest first; all of it where `most`
-- is nothing. The profiles are found first, so that entries are read by them and never all.
SELECT seq, kind, actor, recorded_at, effective_on, stage, cause, chips, tpp, body
FROM (
    SELECT seq, n, effective_on, stage, cause, chips, tpp, profile FROM entry
    WHERE seq <= %(known)s AND profile = ANY(ARRAY(SELECT id FROM profile
        WHERE body->>'recipient' = %(subject)s OR body->>'exporter' = %(subject)s OR body->>'destination' = %(subject)s
            OR body->>'authorization' = %(subject)s OR body->>'base_chip' = %(subject)s OR body->>'owner' = %(subject)s
            OR body->>'operator' = %(subject)s))
    ORDER BY seq DESC, n DESC LIMIT %(most)s
) AS moved JOIN profile ON profile.id = moved.profile JOIN journal USING (seq)
ORDER BY seq DESC, n DESC;

-- name: open_discrepancies
-- Discrepancies that are not resolved.
SELECT id, class, book, cap, subject, window_from, amount, unit, effective_on, opened_at, owner, state, note
FROM discrepancy WHERE state <> 'resolved' ORDER BY id;

-- name: last_run
-- The reconciliation recorded last up to a record, of a rulebook.
SELECT seq, number, effective_on, rulebook, inputs_sha256, digest, predecessor_seq, body FROM reconciliation
WHERE rulebook = %(rulebook)s AND seq <= %(known)s ORDER BY seq DESC LIMIT 1;

-- name: same_run
-- The reconciliation of the same position, day, rulebook and inputs.
SELECT seq, number, effective_on, rulebook, inputs_sha256, digest, predecessor_seq, body FROM reconciliation
WHERE number = %(number)s AND effective_on = %(day)s AND rulebook = %(rulebook)s AND inputs_sha256 = %(inputs)s
ORDER BY seq LIMIT 1;

-- name: newest_unreconciled
-- The newest record up to one that no reconciliation wrote.
SELECT coalesce(max(seq), 0) FROM journal WHERE seq <= %(known)s AND (
    kind NOT IN ('reconciliation.completed', 'discrepancy.opened')
    OR (kind = 'discrepancy.opened' AND actor <> 'reconciliation'));

-- name: change_discrepancy
-- A discrepancy's new state, by a record.
UPDATE discrepancy SET state = %(state)s, owner = coalesce(%(owner)s, owner), note = %(note)s, last_seq = %(seq)s
WHERE id = %(id)s;

-- name: discrepancy
-- One discrepancy's state, and what it is about.
SELECT state, subject, class, book, cap, window_from FROM discrepancy WHERE id = %(id)s;

-- name: entries_at_lots_of
-- Entries up to a record at an authorization's grant lots, with what opened them.
SELECT lot.seq, lot.line, lot.stage, lot.profile, lot.day, lot.unit, lot.amount,
    entry.line, entry.stage, cause, effective_on, entry.last_day, chips, tpp
FROM lot JOIN entry ON lot_seq = lot.seq AND lot_line = lot.line
WHERE lot.authorization_id = %(authorization)s AND lot.stage = 'licensed' AND entry.seq <= %(known)s
ORDER BY entry.seq, n;

-- name: entries_at_place
-- Entries up to a record at the reservation and shipment lots of a place, with what opened them.
SELECT lot.seq, lot.line, lot.stage, lot.profile, lot.day, lot.unit, lot.amount,
    entry.line, entry.stage, cause, effective_on, entry.last_day, chips, tpp
FROM lot JOIN entry ON lot_seq = lot.seq AND lot_line = lot.line
WHERE lot.recipient = %(recipient)s AND lot.destination = %(destination)s AND lot.chip = %(chip)s
    AND lot.stage <> 'licensed' AND entry.seq <= %(known)s
ORDER BY entry.seq, n;

-- name: facts_about
-- What was stated of one subject, up to a record, newest first, all of it where `most` is nothing; and what was stated
-- of others and names it: the authorizations of a party, a country or a chip, who owns what, which systems a chip is in.
SELECT fact.seq, journal.kind, actor, recorded_at, valid_from, body FROM fact JOIN journal USING (seq)
WHERE fact.seq <= %(known)s AND (subject = %(subject)s OR body->'chips' ? %(subject)s OR %(subject)s IN (
    body->>'exporter', body->>'recipient', body->>'destination', body->>'headquarters', body->>'ultimate_parent',
    body->>'owner', body->>'owned', body->>'party', body->>'base_chip', body->>'parent_deal'))
ORDER BY seq DESC LIMIT %(most)s;

-- name: subjects_beginning
-- What facts of some kinds are stated of, by the beginning of its name.
SELECT DISTINCT subject FROM fact WHERE kind = ANY(%(kinds)s) AND starts_with(subject, %(begin)s)
ORDER BY subject LIMIT %(most)s;

-- name: discrepancies_told
-- Every discrepancy that was opened and what was said of it, up to a record, in order.
SELECT seq, kind, actor, recorded_at, payload FROM journal
WHERE kind IN ('discrepancy.opened', 'discrepancy.explained', 'discrepancy.resolved', 'discrepancy.reopened')
    AND seq <= %(known)s
ORDER BY seq;

-- name: refusals_naming
-- Refused requests whose payload names a subject, up to a record, newest first; all of them where `most` is nothing.
SELECT seq, kind, actor, recorded_at, payload, judgment FROM journal
WHERE kind = 'request.refused' AND seq <= %(known)s AND position(%(needle)s::bytea IN payload) > 0
ORDER BY seq DESC LIMIT %(most)s;

-- name: current_schema
-- Where the ledger's tables are.
SELECT current_schema();

-- name: columns_written
-- The columns of a table that are written, in their order; the database makes the others of them.
SELECT attname FROM pg_attribute
WHERE attrelid = format('%%I.%%I', %(schema)s::text, %(table)s::text)::regclass AND attnum > 0 AND NOT attisdropped
    AND attgenerated = ''
ORDER BY attnum;

-- name: temporary_schema
-- Where this session's temporary tables are.
SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema();

-- name: run
-- One reconciliation.
SELECT seq, number, effective_on, rulebook, inputs_sha256, digest, predecessor_seq, body FROM reconciliation
WHERE seq = %(seq)s;

-- name: counter_days
-- Daily changes of one adoption's counters that are not nothing.
SELECT cap, subject, window_from, day, tpp, chips, doubt_tpp, doubt_chips, unstated_tpp FROM counter_day
WHERE book = %(book)s
    AND (tpp <> 0 OR chips <> 0 OR doubt_tpp <> 0 OR doubt_chips <> 0 OR unstated_tpp <> 0);

-- name: all_discrepancies
-- Every discrepancy, resolved ones included.
SELECT id, class, book, cap, subject, window_from, amount, unit, effective_on, opened_at, owner, state, note
FROM discrepancy ORDER BY id;

-- name: entries_in_order
-- Entries up to a record, in the order in which they were recorded.
SELECT seq, line, stage, coalesce(cause, ''), lot_seq, profile, lot_day, effective_on, last_day, chips, tpp
FROM entry WHERE seq <= %(known)s ORDER BY seq, n;

-- name: entries_at_lots
-- Entries up to a record at some lots, with what opened them.
SELECT lot.seq, lot.line, lot.stage, lot.profile, lot.day, lot.unit, lot.amount,
    entry.line, entry.stage, cause, effective_on, entry.last_day, chips, tpp
FROM lot JOIN unnest(%(seqs)s::bigint[], %(lines)s::smallint[]) AS wanted (seq, line) USING (seq, line)
JOIN entry ON lot_seq = lot.seq AND lot_line = lot.line
WHERE entry.seq <= %(known)s ORDER BY entry.seq, n;

-- name: history_known
-- The changes of what is installed of one lot, by day, in the lot's unit, up to a record.
SELECT effective_on, sum(CASE WHEN lot.unit = 'chips' THEN entry.chips ELSE entry.tpp END)
FROM entry JOIN lot ON lot.seq = lot_seq AND lot.line = lot_line
WHERE lot_seq = %(seq)s AND lot_line = %(line)s AND entry.stage = 'installed' AND entry.seq <= %(known)s
GROUP BY effective_on ORDER BY effective_on;

-- name: refusals_in_order
-- Refused requests up to a record, in the order in which they were recorded.
SELECT seq, actor, payload, judgment FROM journal
WHERE kind = 'request.refused' AND seq <= %(known)s ORDER BY seq;

-- name: payloads
-- What some records were asked for, and by whom.
SELECT seq, actor, payload FROM journal WHERE seq = ANY(%(seqs)s) ORDER BY seq;

-- name: observations_among
-- How many of some records were reported as facts; a payload ends with its voice.
SELECT count(*) FROM journal
WHERE seq = ANY(%(seqs)s) AND substr(payload, octet_length(payload) - 13) = '"observation"}'::bytea;

-- name: stage_totals_at
-- What each destination has in each stage on a day, as known at a record, without what has lapsed.
SELECT body->>'destination', stage, sum(tpp)
FROM (
    SELECT profile, stage, sum(tpp) AS tpp FROM entry
    WHERE seq <= %(known)s AND effective_on <= %(day)s
        AND (stage NOT IN ('reserved', 'open') OR last_day IS NULL OR last_day >= %(day)s)
    GROUP BY profile, stage
) AS of_profile JOIN profile ON profile.id = of_profile.profile
GROUP BY 1, 2;

-- name: profiles_used
-- The profiles of all entries up to a record.
SELECT DISTINCT profile FROM entry WHERE seq <= %(known)s;

-- name: notices
-- What was filed because some duties ask for it, up to a record.
SELECT seq, body FROM fact WHERE kind = 'notice' AND seq <= %(known)s AND body->>'duty' = ANY(%(duties)s) ORDER BY seq;

-- name: acts
-- Lines of movements at lots of some profiles, told apart by the entries they make, that no later record reversed. In
-- `least_tpp` and `least_chips`, a movement of which they add up to less is left out; equivalents have no chips.
SELECT seq, line, profile, lot_seq, lot_line, cause, effective_on, chips, tpp
FROM (
    SELECT seq, line, profile, min(lot_seq) AS lot_seq, min(lot_line) AS lot_line, coalesce(min(cause), '') AS cause,
        min(effective_on) AS effective_on, CASE WHEN count(chips) = count(*) THEN abs(sum(chips)::bigint) END AS chips,
        abs(sum(tpp)) AS tpp, sum(abs(sum(tpp))) OVER of_record AS whole_tpp,
        sum(abs(sum(chips))) OVER of_record AS whole_chips, bool_or(count(chips) < count(*)) OVER of_record AS unstated
    FROM entry
    WHERE profile = ANY(%(profiles)s) AND seq <= %(known)s AND stage = ANY(%(stages)s) AND sign(tpp) = %(sign)s
        AND (NOT %(opens)s OR lot_seq = seq)
        AND (%(causes)s::text[] IS NULL OR cause = ANY(%(causes)s))
        AND (%(leaves)s::boolean IS NULL OR %(leaves)s = EXISTS (
            SELECT FROM entry AS left_behind WHERE left_behind.seq = entry.seq AND left_behind.line = entry.line
                AND left_behind.stage = 'installed' AND left_behind.tpp < 0))
        AND (%(until)s::date IS NULL OR effective_on <= %(until)s)
        AND NOT EXISTS (SELECT FROM reversal WHERE record = entry.seq AND reversed_by <= %(known)s)
    GROUP BY seq, line, profile
    WINDOW of_record AS (PARTITION BY seq)
) AS act
WHERE (%(least_tpp)s::numeric IS NULL OR whole_tpp >= %(least_tpp)s)
    AND (%(least_chips)s::numeric IS NULL OR unstated OR whole_chips >= %(least_chips)s)
ORDER BY seq, line, profile;

-- name: first_acts
-- The earliest of such lines of each profile between two of some days on which something changes.
SELECT DISTINCT ON (profile, width_bucket(effective_on, %(edges)s::date[]))
    seq, line, profile, lot_seq, lot_line, coalesce(cause, ''), effective_on, abs(chips), abs(tpp)
FROM entry
WHERE profile = ANY(%(profiles)s) AND seq <= %(known)s AND stage = ANY(%(stages)s) AND sign(tpp) = %(sign)s
    AND (NOT %(opens)s OR lot_seq = seq)
    AND (%(causes)s::text[] IS NULL OR cause = ANY(%(causes)s))
    AND (%(leaves)s::boolean IS NULL OR %(leaves)s = EXISTS (
        SELECT FROM entry AS left_behind WHERE left_behind.seq = entry.seq AND left_behind.line = entry.line
            AND left_behind.stage = 'installed' AND left_behind.tpp < 0))
    AND (%(until)s::date IS NULL OR effective_on <= %(until)s)
    AND NOT EXISTS (SELECT FROM reversal WHERE record = entry.seq AND reversed_by <= %(known)s)
ORDER BY profile, width_bucket(effective_on, %(edges)s::date[]), effective_on, seq, line;

-- name: arrivals
-- The first day on which chips of some shipment lots arrived, up to a record.
SELECT lot_seq, lot_line, min(effective_on)
FROM entry JOIN unnest(%(seqs)s::bigint[], %(lines)s::smallint[]) AS wanted (lot_seq, lot_line)
    USING (lot_seq, lot_line)
WHERE stage = 'received' AND tpp > 0 AND seq <= %(known)s
    AND NOT EXISTS (SELECT FROM reversal WHERE record = entry.seq AND reversed_by <= %(known)s)
GROUP BY lot_seq, lot_line;

-- name: held_by_profile
-- By how much what is in transit or installed of some profiles changed, by day, up to a record and a day.
SELECT profile, effective_on, sum(CASE stage WHEN 'received' THEN -tpp ELSE tpp END)
FROM entry
WHERE profile = ANY(%(profiles)s) AND seq <= %(known)s AND effective_on <= %(until)s
    AND stage IN ('shipped', 'received', 'installed')
GROUP BY profile, effective_on HAVING sum(CASE stage WHEN 'received' THEN -tpp ELSE tpp END) <> 0;

-- name: counter_days_reaching
-- Daily changes of one cap's counters of one adoption, of those that may ever have reached an amount.
SELECT subject, window_from, day, tpp, chips, doubt_tpp, doubt_chips, unstated_tpp
FROM counter_day JOIN (
    SELECT subject, window_from FROM counter_day WHERE book = %(book)s AND cap = %(cap)s
    GROUP BY subject, window_from
    HAVING sum(greatest(tpp, 0) + greatest(doubt_tpp, 0)) >= coalesce(%(least_tpp)s::numeric, 0)
        AND (sum(unstated_tpp) > 0
            OR sum(greatest(chips, 0) + greatest(doubt_chips, 0)) >= coalesce(%(least_chips)s::numeric, 0))
) AS reaching USING (subject, window_from)
WHERE book = %(book)s AND cap = %(cap)s;

-- name: entries_on
-- Entries of some profiles on a day, up to a record, in the order in which they were recorded; what was reversed, and
-- what reversed it, left out.
SELECT seq, line, stage, coalesce(cause, ''), lot_seq, lot_line, profile, lot_day, last_day, chips, tpp
FROM entry
WHERE profile = ANY(%(profiles)s) AND effective_on = %(day)s AND seq <= %(known)s
    AND NOT EXISTS (SELECT FROM reversal
        WHERE (record = entry.seq AND reversed_by <= %(known)s) OR reversed_by = entry.seq)
ORDER BY seq, n;

-- name: profiles_naming
-- The profiles of an exporter, a recipient and some destinations, where each is asked for.
SELECT id FROM profile
WHERE (%(exporter)s::text = '' OR body->>'exporter' = %(exporter)s::text)
    AND (%(recipient)s::text = '' OR body->>'recipient' = %(recipient)s::text)
    AND (cardinality(%(countries)s::text[]) = 0 OR body->>'destination' = ANY(%(countries)s::text[]))
ORDER BY id;

-- name: destination
-- Whether anything ever went to a destination.
SELECT 1 FROM profile WHERE body->>'destination' = %(code)s LIMIT 1;

-- name: balances_of
-- What some profiles have in each stage on a day, as known at a record, without what has lapsed.
SELECT stage, sum(chips)::bigint, sum(tpp), coalesce(sum(tpp) FILTER (WHERE chips IS NULL), 0)
FROM entry
WHERE profile = ANY(%(profiles)s) AND seq <= %(known)s AND effective_on <= %(day)s
    AND (stage NOT IN ('reserved', 'open') OR last_day IS NULL OR last_day >= %(day)s)
GROUP BY stage;

-- name: entries_between
-- The entries of some profiles on some days, as known at a record, in the order of days and records.
SELECT seq, line, stage, coalesce(cause, ''), profile, effective_on, last_day, chips, tpp
FROM entry
WHERE profile = ANY(%(profiles)s) AND seq <= %(known)s AND effective_on BETWEEN %(first)s AND %(last)s
ORDER BY effective_on, seq, n LIMIT %(most)s;

-- name: lapsing_between
-- What some profiles had reserved or open at the end of its last day, lot by lot, where that day is one of some days.
SELECT lot_seq, lot_line, stage, profile, last_day, sum(chips)::bigint, sum(tpp),
    coalesce(sum(tpp) FILTER (WHERE chips IS NULL), 0)
FROM entry
WHERE profile = ANY(%(profiles)s) AND seq <= %(known)s AND stage IN ('reserved', 'open')
    AND last_day BETWEEN %(first)s AND %(last)s AND effective_on <= last_day
GROUP BY 1, 2, 3, 4, 5 HAVING sum(tpp) <> 0 ORDER BY 1, 2, 3;

-- name: recorded
-- What some records are, who asked for them and when, and what was asked.
SELECT seq, kind, actor, recorded_at, payload FROM journal WHERE seq = ANY(%(seqs)s);

-- name: records_touching
-- Which of some records have entries of some profiles.
SELECT DISTINCT seq FROM entry WHERE seq = ANY(%(seqs)s) AND seq <= %(known)s AND profile = ANY(%(profiles)s);

-- name: discrepancies_opened
-- Discrepancies opened up to a record and dated up to a day, as they are now, with the payload that opened them.
SELECT id, class, book, cap, subject, window_from, amount, unit, effective_on, opened_at, owner, state, note, payload
FROM discrepancy JOIN journal ON seq = id
WHERE id <= %(known)s AND effective_on <= %(day)s ORDER BY id;

-- name: discrepancy_changes
-- What was said of discrepancies after they were opened, up to a record, in order.
SELECT payload FROM journal
WHERE kind IN ('discrepancy.explained', 'discrepancy.resolved', 'discrepancy.reopened') AND seq <= %(known)s
ORDER BY seq;

-- name: said_of_discrepancy
-- What opened one discrepancy and all that was said of it up to a record, in order.
SELECT seq, kind, recorded_at, payload FROM journal
WHERE seq <= %(known)s AND ((seq = %(id)s AND kind = 'discrepancy.opened')
    OR (kind IN ('discrepancy.explained', 'discrepancy.resolved', 'discrepancy.reopened')
        AND convert_from(payload, 'UTF8')::jsonb #>> '{body,id}' = %(id)s::text))
ORDER BY seq;

-- name: leaf_hashes
-- The leaf hashes of the records up to one, in order.
SELECT leaf_hash FROM journal WHERE seq <= %(known)s ORDER BY seq;

-- name: recorded_at
-- When a record was written.
SELECT recorded_at FROM journal WHERE seq = %(seq)s;

-- name: party_of_record
-- Whose scope a record is in; nothing for the ledger's own.
SELECT party FROM journal JOIN scope USING (scope) WHERE seq = %(seq)s;

-- name: sealed
-- One record's envelope and leaf hash.
SELECT envelope, leaf_hash FROM journal WHERE seq = %(seq)s;

-- name: may_copy
-- Whether this login may copy into the ledger's tables: not where a policy of row-level security applies to it.
SELECT NOT row_security_active('journal');

-- name: add_key
-- A key that was issued; its secret as a hash.
INSERT INTO access_key (id, secret_sha256, person, role, party, issued_at, expires_at, replaces)
VALUES (%(id)s, %(secret)s, %(person)s, %(role)s, %(party)s, %(at)s, %(expires_at)s, %(replaces)s);

-- name: key_secret
-- One key, with the hash of its secret.
SELECT secret_sha256, id, person, role, party, issued_at, expires_at, revoked_at, replaces FROM access_key
WHERE id = %(id)s;

-- name: key_to_change
-- One key, for as long as it is changed.
SELECT id, person, role, party, issued_at, expires_at, revoked_at, replaces FROM access_key WHERE id = %(id)s FOR UPDATE;

-- name: keys
-- Every key, without secrets.
SELECT id, person, role, party, issued_at, expires_at, revoked_at, replaces FROM access_key ORDER BY issued_at, id;

-- name: expire_key
-- An earlier end of a key.
UPDATE access_key SET expires_at = %(expires_at)s WHERE id = %(id)s;

-- name: revoke_key
-- The end of a key, at once.
UPDATE access_key SET revoked_at = %(at)s WHERE id = %(id)s;

-- name: close_sessions_of
-- Whoever signed in with a key is signed out.
DELETE FROM session WHERE key_id = %(id)s;

-- name: knows_party
-- Whether a party was ever registered.
SELECT EXISTS (SELECT FROM fact WHERE kind = 'party' AND subject = %(party)s);

-- name: open_session
-- Somebody signs in.
INSERT INTO session (token_sha256, key_id, opened_at, expires_at)
VALUES (%(token)s, %(key_id)s, %(at)s, %(expires_at)s);

-- name: session
-- Who is signed in under a token; the session ends with its key, whichever ends first.
SELECT person, role, party, access_key.id, least(session.expires_at, access_key.expires_at)
FROM session JOIN access_key ON access_key.id = session.key_id
WHERE token_sha256 = %(token)s AND session.expires_at > %(at)s AND access_key.expires_at > %(at)s
    AND (revoked_at IS NULL OR revoked_at > %(at)s);

-- name: close_session
-- Somebody signs out.
DELETE FROM session WHERE token_sha256 = %(token)s;

-- name: forget_sessions
-- Sessions that ended by themselves.
DELETE FROM session WHERE expires_at <= %(at)s;

-- name: try
-- One try of somebody: allowed where the bucket, refilled by the time since the last try, still holds a whole one.
INSERT INTO attempt AS a (who, tries, tried_at, allowed) VALUES (%(who)s, %(most)s - 1, %(at)s, true)
ON CONFLICT (who) DO UPDATE SET (tries, tried_at, allowed) = (
    SELECT CASE WHEN held >= 1 THEN held - 1 ELSE held END, greatest(a.tried_at, %(at)s), held >= 1
    FROM (SELECT least(%(most)s, a.tries + %(most)s * greatest(extract(epoch FROM %(at)s - a.tried_at), 0)
                                           / %(seconds)s) AS held) AS bucket)
RETURNING allowed;

-- name: forget_tries
-- Buckets that are full again.
DELETE FROM attempt WHERE tried_at < %(before)s;

-- name: party_role
-- The role that stands for a party in this database, and whether the server still has it.
SELECT role, to_regrole(quote_ident(role)) IS NOT NULL FROM party_role WHERE party = %(party)s;

-- name: make_party_role
-- A role for a party.
SELECT make_exporter_role(%(role)s);

-- name: name_party_role
-- Which role stands for a party; null says that there is none, and that somebody chose so.
INSERT INTO party_role (party, role) VALUES (%(party)s, %(role)s) ON CONFLICT (party) DO UPDATE SET role = excluded.role;

-- name: snapshot
-- One snapshot for all of a transaction that only reads; its first statement.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: become
-- Act as a role until the transaction ends.
SELECT set_config('role', %(role)s, true);

-- name: one_wall_at_a_time
-- Let nobody else make a role for a party until this transaction ends: there is one for each.
SELECT pg_advisory_xact_lock(hashtext('capledger party_role'));

-- name: shown_record
-- Which of some records the database shows to whoever asks.
SELECT seq FROM journal WHERE seq = ANY(%(asked)s);

-- name: shown_fact
-- Which of some facts the database shows to whoever asks, by the record that stated them.
SELECT seq FROM fact WHERE seq = ANY(%(asked)s);

-- name: shown_posted
-- Which of some records made an entry, or stated a fact, that the database shows to whoever asks.
SELECT seq FROM entry WHERE seq = ANY(%(asked)s) UNION SELECT seq FROM fact WHERE seq = ANY(%(asked)s);

-- name: shown_profile
-- Which of some profiles the database shows to whoever asks.
SELECT id FROM profile WHERE id = ANY(%(asked)s);

-- name: shown_party
-- Which of some parties whoever asks stands for.
SELECT party FROM party_role WHERE party = ANY(%(asked)s);

-- name: shown_named
-- Which of some parties are named by an authorization or by chips that the database shows to whoever asks.
SELECT named FROM (
    SELECT party FROM party_role
    UNION SELECT body->>'recipient' FROM fact WHERE kind = 'authorization'
    UNION SELECT unnest(names) FROM profile
) AS own (named) WHERE named = ANY(%(asked)s);

-- name: own_records
-- A party's records after one of them, in order: what was asked, not what was judged.
SELECT seq, kind, actor, key, scope_seq, recorded_at, payload, payload_salt, envelope, leaf_hash FROM journal
WHERE scope = (SELECT scope FROM scope WHERE party = %(party)s) AND seq > %(after)s
    AND scope_seq > coalesce((SELECT own.scope_seq FROM journal AS own
        WHERE own.seq = %(after)s AND own.scope = (SELECT scope FROM scope WHERE party = %(party)s)), 0)
ORDER BY scope_seq LIMIT %(limit)s;

-- name: asked_after
-- Movements and refused requests after a record, in order.
SELECT seq, actor, recorded_at, payload, CASE WHEN kind = 'request.refused' THEN judgment END, leaf_hash FROM journal
WHERE seq > %(after)s AND seq <= %(known)s AND kind IN ('movement.posted', 'request.refused') ORDER BY seq
LIMIT %(most)s;

-- name: asked_of_party_after
-- The same of one exporter's records; where the record is one of them, its own numbers lead there.
SELECT seq, actor, recorded_at, payload, CASE WHEN kind = 'request.refused' THEN judgment END, leaf_hash FROM journal
WHERE scope = (SELECT scope FROM scope WHERE party = %(party)s) AND seq > %(after)s AND seq <= %(known)s
    AND kind IN ('movement.posted', 'request.refused')
    AND scope_seq > coalesce((
        SELECT before.scope_seq FROM journal AS before JOIN scope USING (scope)
        WHERE before.seq = %(after)s AND scope.party = %(party)s
    ), 0)
ORDER BY scope_seq LIMIT %(most)s;

-- name: runs_before
-- Recorded reconciliations before a record, of days up to one, newest first.
SELECT seq, number, effective_on, rulebook, inputs_sha256, digest, predecessor_seq FROM reconciliation
WHERE seq < %(before)s AND seq <= %(known)s AND effective_on <= %(by)s ORDER BY seq DESC LIMIT %(most)s;

-- name: jobs_done
-- When each job's latest period that is done was finished.
SELECT job, max(finished_at) FROM job_run WHERE finished_at IS NOT NULL GROUP BY job;

-- name: stage_totals_since
-- What the entries after one record and up to another add to each destination's stages on a day, without what lapsed.
-- OFFSET 0 has each profile's destination read once, and not once for each of its entries.
SELECT destination, stage, sum(tpp)
FROM entry JOIN (SELECT id, body->>'destination' AS destination FROM profile OFFSET 0) AS place
    ON place.id = entry.profile
WHERE seq > %(after)s AND seq <= %(known)s AND effective_on <= %(day)s
    AND (stage NOT IN ('reserved', 'open') OR last_day IS NULL OR last_day >= %(day)s)
GROUP BY 1, 2;

-- name: stage_totals_of
-- What stands in each stage on a day under profiles that name a country, a party or an authorization, by recipient,
-- country, rated chip and authorization, and how much of it movements brought that are marked unconfirmed: the one that
-- made its lot, or, of what was shipped, received or installed, that movement itself. Entries are added up by profile
-- first: then they are read in one pass, and what a profile says is read once.
WITH doubted AS MATERIALIZED (
    SELECT seq FROM journal
    WHERE kind = 'movement.posted' AND position('"confidence":"unconfirmed"'::bytea IN payload) > 0
        AND seq <= %(known)s
)
SELECT body->>'recipient', body->>'destination', coalesce(body->>'chip', ''), coalesce(body->>'tpp_per_chip', '0'),
    coalesce(body->>'authorization', ''), stage, sum(chips)::bigint, sum(tpp), sum(doubted_tpp)
FROM profile JOIN (
    SELECT profile, stage, sum(chips) AS chips, sum(tpp) AS tpp,
        sum(tpp) FILTER (WHERE of_lot.seq IS NOT NULL OR of_move.seq IS NOT NULL) AS doubted_tpp
    FROM entry LEFT JOIN doubted AS of_lot ON of_lot.seq = entry.lot_seq
        LEFT JOIN reversal ON reversal.reversed_by = entry.seq
        LEFT JOIN doubted AS of_move ON of_move.seq = coalesce(reversal.record, entry.seq)
            AND stage IN ('shipped', 'received', 'installed')
    WHERE profile = ANY(ARRAY(SELECT id FROM profile WHERE body->>%(name)s = ANY(%(values)s)))
        AND entry.seq <= %(known)s AND effective_on <= %(day)s
        AND (stage NOT IN ('reserved', 'open') OR last_day IS NULL OR last_day >= %(day)s)
    GROUP BY profile, stage
) AS held ON held.profile = profile.id
GROUP BY 1, 2, 3, 4, 5, 6;

-- name: entries_of_profiles
-- The newest entries before a record at lots of some profiles, up to a record.
SELECT seq, line, stage, coalesce(cause, ''), profile, lot_day, effective_on, last_day, chips, tpp
FROM entry WHERE profile = ANY(%(profiles)s) AND seq <= %(known)s AND seq < %(before)s
ORDER BY seq DESC, n DESC LIMIT %(most)s;

-- name: refusals_bound_by
-- The newest refused requests whose judgment names a cap and a subject, up to a record.
SELECT seq, actor, recorded_at, payload, judgment FROM journal
WHERE kind = 'request.refused' AND seq <= %(known)s AND position(%(cap)s::bytea IN judgment) > 0
    AND position(%(subject)s::bytea IN judgment) > 0
ORDER BY seq DESC LIMIT %(most)s;

-- name: runs
-- The newest reconciliations up to a record, without their reports.
SELECT reconciliation.seq, number, effective_on, rulebook, digest, recorded_at, actor
FROM reconciliation JOIN journal USING (seq) WHERE reconciliation.seq <= %(known)s ORDER BY seq DESC LIMIT %(most)s;

-- name: last_run_of
-- The reconciliation of a rulebook recorded last, up to a record.
SELECT seq, number, effective_on, rulebook, digest, body FROM reconciliation
WHERE rulebook = %(rulebook)s AND seq <= %(known)s ORDER BY seq DESC LIMIT 1;

-- name: periods_done
-- The end of each job's latest period that was done, by a moment where one is named.
SELECT DISTINCT ON (job) job, period_end, finished_at FROM job_run
WHERE finished_at IS NOT NULL AND (%(by)s::timestamptz IS NULL OR finished_at <= %(by)s)
ORDER BY job, period_start DESC;

-- name: record
-- One record, with what people may see of it: its salts stay where they are.
SELECT seq, kind, actor, key, scope, scope_seq, recorded_at, payload, judgment, envelope, leaf_hash FROM journal
WHERE seq = %(seq)s AND seq <= %(known)s;

-- name: records_of_kind
-- The newest records before one, of a kind, or of all kinds where none is named.
SELECT seq, kind, actor, key, recorded_at FROM journal
WHERE seq <= %(known)s AND seq < %(before)s AND (%(kind)s::text = '' OR kind = %(kind)s)
ORDER BY seq DESC LIMIT %(most)s;

-- name: records_with_key
-- The records that settled a key, of every organization.
SELECT journal.seq, kind, actor, journal.key, recorded_at FROM request_key JOIN journal ON journal.seq = request_key.seq
WHERE request_key.key = %(key)s AND journal.seq <= %(known)s ORDER BY journal.seq;

-- name: records_of_party
-- The newest records of an exporter's own scope before one, up to a record.
SELECT seq, kind, actor, key, scope_seq, recorded_at, payload, judgment
FROM journal WHERE scope = (SELECT scope FROM scope WHERE party = %(party)s) AND seq <= %(known)s
    AND scope_seq < %(before)s
ORDER BY scope_seq DESC LIMIT %(most)s;

-- name: issued
-- The record that issued an authorization, with the salt that only its holder and the regulator can know.
SELECT journal.seq, payload_salt FROM fact JOIN journal USING (seq)
WHERE fact.kind = 'authorization' AND subject = %(authorization)s AND journal.kind = 'authorization.issued'
ORDER BY seq LIMIT 1;

-- name: settled
-- Which of an organization's keys are settled, by which record, as what.
SELECT key, seq, fingerprint FROM request_key WHERE organization = %(organization)s AND key = ANY(%(keys)s::text[]);
