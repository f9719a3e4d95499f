-- Two roles to grant to whoever connects: one that writes, one that only reads. Roles belong to the whole server, so
-- they may be there already, made for another ledger, perhaps at this very moment.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['capledger_writer', 'capledger_reader'] LOOP
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
            EXECUTE format('GRANT SELECT ON alembic_version, journal, head, scope, request_key, fact, profile, lot, reversal, '
                           'entry, counter_day, stage_day, discrepancy, reconciliation, proposal, job_run TO %I', name);
        END IF;
    END LOOP;
    IF to_regrole('capledger_writer') IS NOT NULL THEN
        GRANT INSERT ON journal TO capledger_writer;
        GRANT INSERT, UPDATE, DELETE, TRUNCATE
            ON head, scope, request_key, fact, profile, lot, reversal, entry, counter_day, stage_day, discrepancy,
                reconciliation, proposal, job_run
            TO capledger_writer;
        GRANT SELECT, INSERT, UPDATE, DELETE ON access_key, party_role, session, attempt TO capledger_writer;
    END IF;
END
$$;

-- The owner keeps no right to change the journal either.
REVOKE UPDATE, DELETE, TRUNCATE ON journal FROM PUBLIC, CURRENT_USER;
