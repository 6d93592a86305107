SELECT currency, financial_status, count(*), sum(total_price), avg(total_tax) FROM orders GROUP BY currency, financial_status
