select c.customer_id, c.name, sum(l.quantity * l.price) as revenue,
  rank() over (order by sum(l.quantity * l.price) desc) as place
from {{ ref('orders') }} o join {{ ref('lines') }} l using (order_id) join {{ ref('customers') }} c using (customer_id)
where o.status = 'paid' group by 1, 2
