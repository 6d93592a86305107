{{ config(materialized='incremental', incremental_strategy='merge', unique_key='order_id') }}
with latest as (
  select *, row_number() over (partition by order_id order by arrived desc) as age from {{ ref('stg_orders') }}
  {% if is_incremental() %} where arrived >= (select max(arrived) from {{ this }}) {% endif %}
)
select order_id, customer_id, status, ordered_at, arrived from latest where age = 1
