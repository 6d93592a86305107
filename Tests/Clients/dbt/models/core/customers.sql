{{ config(materialized='table') }}
select c.customer_id, c.name, c.country, r.region
from {{ ref('stg_customers') }} c left join {{ ref('regions') }} r on r.country = c.country
