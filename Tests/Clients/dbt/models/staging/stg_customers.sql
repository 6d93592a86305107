select customer_id, name, upper(country) as country, updated_at from {{ source('raw', 'customers') }}
