// node-pg against an Apus server: drivers.py runs it with an URI, and compares what it prints.
const { Client, Pool } = require('pg')
const Cursor = require('pg-cursor')

async function main (connectionString) {
  const client = new Client({ connectionString })
  await client.connect()
  const people = await client.query({
    text: 'SELECT id, name, credit, born::text, active, score FROM marts.people WHERE id > $1 ORDER BY id', values: [0], rowMode: 'array'
  })
  for (const row of people.rows) console.log(JSON.stringify(row))
  const document = await client.query("SELECT j, b, ARRAY['p', 'q'] AS list, seen FROM marts.docs ORDER BY id LIMIT 1")
  console.log('json', JSON.stringify(document.rows[0]))
  const named = { name: 'sum', text: 'SELECT $1::int + $2::int AS sum' }
  for (let i = 0; i < 2; i++) console.log('prepared', (await client.query({ ...named, values: [i, 40] })).rows[0].sum)
  await client.query('CREATE TABLE marts.node (a int, b text, c bytea)')
  await client.query('BEGIN')
  const made = await client.query('INSERT INTO marts.node VALUES ($1, $2, $3), (2, NULL, NULL) RETURNING a', [1, 'ü', Buffer.from([0, 255])])
  await client.query('COMMIT')
  await client.query('BEGIN')
  await client.query('DELETE FROM marts.node')
  await client.query('ROLLBACK')
  console.log('writes', made.rowCount, made.command, JSON.stringify((await client.query('SELECT * FROM marts.node ORDER BY a')).rows))
  await client.query('SELECT 1 / 0').catch(e => console.log('error', e.code, e.severity))
  const cursor = client.query(new Cursor('SELECT g FROM generate_series(1, $1::int) g', [100]))
  const [first, second] = [await cursor.read(10), await cursor.read(2)]
  console.log('cursor', first.length, JSON.stringify(second))
  await cursor.close()
  await client.query("SET statement_timeout = '300ms'")
  await client.query('SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b').catch(e => console.log('timeout', e.code))
  await client.end()
  const pool = new Pool({ connectionString, max: 4 })
  const sums = await Promise.all(Array.from({ length: 20 }, (_, i) => pool.query('SELECT $1::int AS i', [i])))
  console.log('pool', sums.map(r => r.rows[0].i).join(' '))
  await pool.end()
}

main(process.argv[2]).catch(e => { console.log('failed:', e.message); process.exit(1) })
