{{ config(materialized='view') }}
select (select sum(revenue) from {{ ref('revenue_by_day') }}) as by_day,
  (select sum(revenue) from {{ ref('revenue_by_region') }}) as by_region,
  (select sum(revenue) from {{ ref('best_customers') }}) as by_customer,
  (select count(*) from {{ ref('orders') }}) as orders
