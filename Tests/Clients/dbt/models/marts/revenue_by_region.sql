select c.region, count(distinct o.order_id) as orders, sum(l.quantity * l.price) as revenue
from {{ ref('orders') }} o join {{ ref('lines') }} l using (order_id) join {{ ref('customers') }} c using (customer_id)
where o.status = 'paid' group by 1
