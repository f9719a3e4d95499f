-- The second wall: whatever a program asks for, the database itself shows an exporter no other exporter's rows.
--
-- Every table has row-level security, forced, so that a table without a policy for somebody is an empty one. Whoever
-- owns the tables, writes, or reads all of them has a policy that shows everything. An exporter has a role of its own
-- without a login, a member of capledger_exporter, which may read a few columns of a few tables, its own rows only: its
-- own are those of the party that party_role names for current_user. No setting that a session may change is asked.

-- The roles. They belong to the whole server, so they may be there already, perhaps since this very moment.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['capledger_regulator', 'capledger_auditor', 'capledger_exporter'] LOOP
        IF to_regrole(name) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION
                WHEN insufficient_privilege THEN
                    RAISE NOTICE 'role % was not made: % may not create roles', name, current_user;
                WHEN duplicate_object OR unique_violation THEN
                    NULL;
            END;
        END IF;
        IF to_regrole(name) IS NOT NULL THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), name);
        END IF;
    END LOOP;
END
$$;

-- The wall around every table, and who sees over it. Regulators and auditors read what capledger_reader reads.
DO $$
DECLARE
    name text;
    everything text;
    all_readers text[] := ARRAY(
        SELECT each FROM unnest(ARRAY['capledger_writer', 'capledger_reader', 'capledger_regulator', 'capledger_auditor'])
            AS each WHERE to_regrole(each) IS NOT NULL);
    watchers text[] := ARRAY(
        SELECT each FROM unnest(ARRAY['capledger_regulator', 'capledger_auditor']) AS each
        WHERE to_regrole(each) IS NOT NULL AND to_regrole('capledger_reader') IS NOT NULL);
BEGIN
    FOR name IN
        SELECT relname FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
            AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
                AND deptype = 'e')
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
        -- Not simply true: a view of the owner's reads with the owner's policies, and whoever asks it is current_user.
        EXECUTE format('CREATE POLICY owner_sees_all ON %I TO %I USING (pg_has_role(current_user, %L, ''USAGE'')) '
                       'WITH CHECK (true)', name, current_user, current_user);
        IF cardinality(all_readers) > 0 THEN
            everything := array_to_string(ARRAY(SELECT quote_ident(each) FROM unnest(all_readers) AS each), ', ');
            EXECUTE format('CREATE POLICY ledger_sees_all ON %I TO %s USING (true) WITH CHECK (true)', name, everything);
        END IF;
        IF cardinality(watchers) > 0 AND has_table_privilege('capledger_reader', format('%I', name), 'SELECT') THEN
            everything := array_to_string(ARRAY(SELECT quote_ident(each) FROM unnest(watchers) AS each), ', ');
            EXECUTE format('GRANT SELECT ON %I TO %s', name, everything);
        END IF;
    END LOOP;
END
$$;

-- What an exporter may read. Not a judgment, which shows the totals of caps that it shares with others; not the facts
-- that a profile froze about parties; not the amount of a discrepancy.
DO $$
BEGIN
    IF to_regrole('capledger_exporter') IS NULL THEN
        RETURN;
    END IF;
    GRANT SELECT ON party_role, scope, request_key, fact, lot, entry, counter_day TO capledger_exporter;
    GRANT SELECT (seq, kind, actor, key, scope, scope_seq, recorded_at, payload, payload_salt, envelope, leaf_hash)
        ON journal TO capledger_exporter;
    GRANT SELECT (id, names) ON profile TO capledger_exporter;
    GRANT SELECT (id, class, book, cap, subject, window_from, effective_on, opened_at, owner, state, last_seq)
        ON discrepancy TO capledger_exporter;

    CREATE POLICY own ON party_role FOR SELECT TO capledger_exporter USING (role = current_user::text);
    CREATE POLICY own ON scope FOR SELECT TO capledger_exporter
        USING (party = (SELECT p.party FROM party_role AS p WHERE p.role = current_user::text));
    CREATE POLICY own ON journal FOR SELECT TO capledger_exporter
        USING (scope = (SELECT s.scope FROM scope AS s
                        WHERE s.party = (SELECT p.party FROM party_role AS p WHERE p.role = current_user::text)));
    CREATE POLICY own ON request_key FOR SELECT TO capledger_exporter
        USING (organization = (SELECT p.party FROM party_role AS p WHERE p.role = current_user::text));
    CREATE POLICY own ON profile FOR SELECT TO capledger_exporter
        USING (body->>'exporter' = (SELECT p.party FROM party_role AS p WHERE p.role = current_user::text));
    CREATE POLICY own ON lot FOR SELECT TO capledger_exporter USING (profile IN (SELECT id FROM profile));
    CREATE POLICY own ON entry FOR SELECT TO capledger_exporter USING (profile IN (SELECT id FROM profile));
    CREATE POLICY own ON counter_day FOR SELECT TO capledger_exporter
        USING ('exporter=' || (SELECT p.party FROM party_role AS p WHERE p.role = current_user::text)
               = ANY (string_to_array(subject, ',')));
    CREATE POLICY own ON discrepancy FOR SELECT TO capledger_exporter
        USING (owner = (SELECT p.party FROM party_role AS p WHERE p.role = current_user::text));
    -- Ratings and rulebooks are public; an authorization is its exporter's; what is stated of a party, and what it
    -- filed, is the party's.
    CREATE POLICY own ON fact FOR SELECT TO capledger_exporter
        USING ((kind IN ('chip', 'rulebook', 'period') AND EXISTS (SELECT FROM party_role))
               OR (kind = 'authorization'
                   AND body->>'exporter' = (SELECT p.party FROM party_role AS p WHERE p.role = current_user::text))
               OR (kind = 'party'
                   AND subject = (SELECT p.party FROM party_role AS p WHERE p.role = current_user::text))
               OR (kind = 'notice'
                   AND body->>'party' = (SELECT p.party FROM party_role AS p WHERE p.role = current_user::text)));
END
$$;

-- Make the role that stands for a party, and let those who serve people act as it: this login, and every writer.
CREATE FUNCTION make_exporter_role(name text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    server text;
    how text := CASE WHEN current_setting('server_version_num')::integer >= 160000
        THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
BEGIN
    EXECUTE format('CREATE ROLE %I NOLOGIN', name);
    EXECUTE format('GRANT capledger_exporter TO %I', name);
    FOR server IN
        SELECT rolname FROM pg_roles
        WHERE NOT rolsuper AND rolname IN ('capledger_writer', 'capledger_reader', current_user)
    LOOP
        EXECUTE format('GRANT %I TO %I%s', name, server, how);
    END LOOP;
END
$$;

-- Functions are everybody's unless somebody says otherwise.
DO $$
DECLARE
    function regprocedure;
BEGIN
    FOR function IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace
            AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid
                AND deptype = 'e')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', function);
        IF to_regrole('capledger_writer') IS NOT NULL THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO capledger_writer', function);
        END IF;
    END LOOP;
END
$$;
