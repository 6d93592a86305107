{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='arrived') }}
select line_id, order_id, product, quantity, price, arrived from {{ ref('stg_lines') }}
{% if is_incremental() %} where arrived >= (select max(arrived) from {{ this }}) {% endif %}
