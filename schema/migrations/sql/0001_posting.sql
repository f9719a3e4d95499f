-- Functions that save round trips where one movement is posted at a time. They hold no rule of the ledger: what to
-- write has been decided already.

-- The journal's end, locked in a statement of its own, and then which of some keys, each of the organization that asks
-- under it, are settled: the second statement sees whatever was committed while the first one waited. All that a writer looks up until it commits has an
-- index; statistics lag behind a fast import, so the planner is told not to fall back on reading whole tables.
CREATE FUNCTION lock_head(askers text[], asked text[]) RETURNS TABLE (
    size bigint, frontier bytea, recorded_at timestamptz, profiles integer, organizations text[], keys text[],
    seqs bigint[], fingerprints bytea[]
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT h.size, h.frontier, h.recorded_at, h.profiles INTO size, frontier, recorded_at, profiles
        FROM head AS h FOR UPDATE;
    PERFORM set_config('enable_seqscan', 'off', true);
    SELECT array_agg(k.organization), array_agg(k.key), array_agg(k.seq), array_agg(k.fingerprint)
        INTO organizations, keys, seqs, fingerprints
        FROM unnest(askers, asked) AS wanted (organization, key) JOIN request_key AS k USING (organization, key);
    RETURN NEXT;
END
$$;

-- A few rows of each table at once: records and their projections, as one document by table.
CREATE FUNCTION post_few(batch jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO journal SELECT * FROM jsonb_populate_recordset(NULL::journal, batch->'journal');
    INSERT INTO request_key SELECT * FROM jsonb_populate_recordset(NULL::request_key, batch->'request_key');
    IF batch ? 'profile' THEN
        INSERT INTO profile (id, sha256, body) SELECT id, sha256, body FROM jsonb_populate_recordset(NULL::profile, batch->'profile');
    END IF;
    IF batch ? 'fact' THEN
        INSERT INTO fact SELECT * FROM jsonb_populate_recordset(NULL::fact, batch->'fact');
    END IF;
    IF batch ? 'reversal' THEN
        INSERT INTO reversal SELECT * FROM jsonb_populate_recordset(NULL::reversal, batch->'reversal');
    END IF;
    IF batch ? 'discrepancy' THEN
        INSERT INTO discrepancy SELECT * FROM jsonb_populate_recordset(NULL::discrepancy, batch->'discrepancy');
    END IF;
    IF batch ? 'reconciliation' THEN
        INSERT INTO reconciliation
            SELECT * FROM jsonb_populate_recordset(NULL::reconciliation, batch->'reconciliation');
    END IF;
    IF batch ? 'proposal' THEN
        INSERT INTO proposal SELECT * FROM jsonb_populate_recordset(NULL::proposal, batch->'proposal');
    END IF;
    IF batch ? 'entry' THEN
        INSERT INTO lot SELECT * FROM jsonb_populate_recordset(NULL::lot, batch->'lot');
        INSERT INTO entry SELECT * FROM jsonb_populate_recordset(NULL::entry, batch->'entry');
    END IF;
    IF batch ? 'changed_lot' THEN
        UPDATE lot SET last_day = new.last_day, open = new.open, in_transit = new.in_transit,
            installed = new.installed, changed_on = new.changed_on, emptied = new.emptied
        FROM jsonb_populate_recordset(NULL::lot, batch->'changed_lot') AS new
        WHERE lot.seq = new.seq AND lot.line = new.line;
    END IF;
    IF batch ? 'counter_day' THEN
        INSERT INTO counter_day AS c SELECT * FROM jsonb_populate_recordset(NULL::counter_day, batch->'counter_day')
        ON CONFLICT (book, cap, subject, window_from, day) DO UPDATE SET tpp = c.tpp + excluded.tpp,
            chips = c.chips + excluded.chips, doubt_tpp = c.doubt_tpp + excluded.doubt_tpp,
            doubt_chips = c.doubt_chips + excluded.doubt_chips, unstated_tpp = c.unstated_tpp + excluded.unstated_tpp;
    END IF;
    IF batch ? 'stage_day' THEN
        INSERT INTO stage_day AS s SELECT * FROM jsonb_populate_recordset(NULL::stage_day, batch->'stage_day')
        ON CONFLICT (destination, stage, day) DO UPDATE SET tpp = s.tpp + excluded.tpp;
    END IF;
    INSERT INTO scope SELECT * FROM jsonb_populate_recordset(NULL::scope, batch->'scope')
        ON CONFLICT (scope) DO UPDATE SET size = excluded.size;
    UPDATE head SET size = new.size, frontier = new.frontier, root = new.root, recorded_at = new.recorded_at,
        profiles = new.profiles
    FROM jsonb_populate_record(NULL::head, batch->'head') AS new;
END
$$;

-- The same where the journal is still as long as the writer remembers, and none of the keys is settled: all of a commit
-- in one round trip. Otherwise nothing is written, and the writer has to lock first and judge anew.
CREATE FUNCTION post_few_at(expected bigint, askers text[], asked text[], batch jsonb) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM head WHERE size = expected FOR UPDATE;
    IF NOT FOUND OR EXISTS (
        SELECT FROM unnest(askers, asked) AS wanted (organization, key) JOIN request_key USING (organization, key)
    ) THEN
        RETURN false;
    END IF;
    PERFORM set_config('enable_seqscan', 'off', true);
    PERFORM post_few(batch);
    RETURN true;
END
$$;
