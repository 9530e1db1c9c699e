-- up.sql of "finance: expenses and payments"                                                phase: EXPAND
-- Why: profit needs what was spent, and payouts have to be reconciled with orders. A payment names its currency: amounts
-- of different currencies are never added.
CREATE TABLE finance.expenses (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    description text NOT NULL CHECK (btrim(description) <> ''),
    amount numeric(10,2) NOT NULL CHECK (amount > 0 AND amount <> 'NaN'),
    currency_code char(3) NOT NULL DEFAULT 'EUR',
    expense_date date NOT NULL DEFAULT current_date,
    category varchar(50) NOT NULL DEFAULT 'other' CHECK (category IN
        ('shipping', 'packaging', 'platform_fees', 'subscription', 'travel', 'tax', 'refund', 'other')),
    is_business_expense boolean NOT NULL DEFAULT true,
    transaction_id uuid CONSTRAINT expenses_transaction_id_fkey REFERENCES transactions.transactions (id) ON DELETE RESTRICT,
    notes text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX expenses_expense_date_idx ON finance.expenses (expense_date DESC);
CREATE INDEX expenses_transaction_id_idx ON finance.expenses (transaction_id);
COMMENT ON TABLE finance.expenses IS 'What the business spends beside the goods themselves.';
COMMENT ON COLUMN finance.expenses.amount IS 'In currency_code, with VAT as paid.';
COMMENT ON COLUMN finance.expenses.currency_code IS 'ISO 4217.';
COMMENT ON COLUMN finance.expenses.category IS 'platform_fees must not repeat fees that orders already carry.';
COMMENT ON COLUMN finance.expenses.is_business_expense IS 'Only these count in profit and loss.';
COMMENT ON COLUMN finance.expenses.transaction_id IS 'Legacy sale that caused the expense; becomes order_id in v2.2.3.';

CREATE TABLE finance.payments (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    direction varchar(10) NOT NULL CHECK (direction IN ('in', 'out')),
    kind varchar(30) NOT NULL CHECK (kind IN ('payout', 'supplier_payment', 'refund', 'fee', 'adjustment')),
    platform_id uuid REFERENCES core.platforms (id) ON DELETE RESTRICT,
    order_id uuid REFERENCES transactions.orders (id) ON DELETE RESTRICT,
    supplier_account_id uuid,
    amount numeric(12,2) NOT NULL CHECK (amount <> 0 AND amount <> 'NaN'),
    currency_code char(3) NOT NULL DEFAULT 'EUR',
    status varchar(20) NOT NULL CHECK (status IN ('pending', 'settled', 'failed', 'reversed')),
    value_date date,
    external_reference varchar(200),
    raw_data jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX payments_platform_id_external_reference_kind_key
    ON finance.payments (platform_id, external_reference, kind) WHERE external_reference IS NOT NULL;
CREATE INDEX payments_order_id_idx ON finance.payments (order_id);
CREATE INDEX payments_supplier_account_id_idx ON finance.payments (supplier_account_id);
COMMENT ON TABLE finance.payments IS 'Money that came in or went out.';
COMMENT ON COLUMN finance.payments.platform_id IS 'NULL when no marketplace is involved.';
COMMENT ON COLUMN finance.payments.order_id IS 'NULL when the payment covers several orders; then see payment_allocations.';
COMMENT ON COLUMN finance.payments.supplier_account_id IS 'Account that was used to buy; its table comes with v2.0.0.';
COMMENT ON COLUMN finance.payments.amount IS 'In currency_code. The sign corrects within the direction; never 0.';
COMMENT ON COLUMN finance.payments.value_date IS 'Day on which the money counts.';
COMMENT ON COLUMN finance.payments.external_reference IS 'Reference of the platform or bank; unique per platform and kind.';
COMMENT ON COLUMN finance.payments.raw_data IS 'Payload of the source without personal data.';

CREATE TABLE finance.payment_allocations (
    payment_id uuid NOT NULL REFERENCES finance.payments (id) ON DELETE RESTRICT,
    order_id uuid NOT NULL REFERENCES transactions.orders (id) ON DELETE RESTRICT,
    amount numeric(12,2) NOT NULL CHECK (amount <> 'NaN'),
    PRIMARY KEY (payment_id, order_id)
);
CREATE INDEX payment_allocations_order_id_idx ON finance.payment_allocations (order_id);
COMMENT ON TABLE finance.payment_allocations IS 'Parts of a payment by order. Their sum never exceeds the payment.';
COMMENT ON COLUMN finance.payment_allocations.amount IS 'In the currency of the payment.';

GRANT SELECT, INSERT, UPDATE, DELETE
    ON finance.expenses, finance.payments, finance.payment_allocations TO finance_app;
