-- The three marts count the same money.
select * from {{ ref('revenue') }} where by_day <> by_region or by_day <> by_customer
