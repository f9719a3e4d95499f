-- Nothing in the journal is changed or removed, by anyone: not its owner, not a superuser, not a replication worker.
CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only: reverse with a new record'
        USING ERRCODE = 'CL001', DETAIL = format('%s on %I was refused.', TG_OP, TG_TABLE_NAME);
END
$$;

-- Once a statement: refused even where it would touch no row, and for INSERT ... ON CONFLICT DO UPDATE and MERGE.
CREATE TRIGGER journal_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only();
-- Once a row: a statement on a parent table reaches the rows of its children without a statement of their own.
CREATE TRIGGER journal_no_row_change BEFORE UPDATE OR DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only();
-- ALWAYS: session_replication_role = replica does not turn them off.
ALTER TABLE journal
    ENABLE ALWAYS TRIGGER journal_no_change,
    ENABLE ALWAYS TRIGGER journal_no_row_change;
