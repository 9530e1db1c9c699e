-- Going below needs that no account is stored: the shape below is the one that once held card data.
DO $$
DECLARE
    accounts bigint;
BEGIN
    SELECT count(*) INTO accounts FROM finance.supplier_accounts;
    IF accounts > 0 THEN
        RAISE EXCEPTION '% supplier accounts are stored: this revision cannot be undone', accounts;
    END IF;
END
$$;
