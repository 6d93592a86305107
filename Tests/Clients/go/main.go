// lib/pq and pgx against an Apus server: drivers.py runs it with a driver's name and an URI, and compares what it prints.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	_ "github.com/jackc/pgx/v4/stdlib"
	"github.com/lib/pq"
)

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

// What database/sql does, whatever the driver.
func standard(driver, uri string, isCancelled func(error) bool) *sql.DB {
	db, err := sql.Open(driver, uri)
	must(err)
	rows, err := db.Query("SELECT id, name, credit::text, born, active, score FROM marts.people WHERE id > $1 ORDER BY id", 0)
	must(err)
	for rows.Next() {
		var id int64
		var name, credit sql.NullString
		var born sql.NullTime
		var active sql.NullBool
		var score sql.NullFloat64
		must(rows.Scan(&id, &name, &credit, &born, &active, &score))
		fmt.Println(id, name.String, credit.String, born.Time.Format("2006-01-02"), active.Bool, score.Float64)
	}
	must(rows.Err())

	statement, err := db.Prepare("SELECT $1::int + $2::int, $3::timestamptz")
	must(err)
	var sum int
	var at time.Time
	must(statement.QueryRow(40, 2, time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)).Scan(&sum, &at))
	fmt.Println("prepared", sum, at.UTC().Format(time.RFC3339))

	_, err = db.Exec("CREATE TABLE marts." + driver + " (a int, b text, c bytea)")
	must(err)
	transaction, err := db.Begin()
	must(err)
	result, err := transaction.Exec("INSERT INTO marts."+driver+" VALUES ($1, $2, $3), (2, NULL, NULL)", 1, "ü", []byte{0, 255})
	must(err)
	count, err := result.RowsAffected()
	must(err)
	must(transaction.Commit())
	transaction, err = db.Begin()
	must(err)
	_, err = transaction.Exec("DELETE FROM marts." + driver)
	must(err)
	must(transaction.Rollback())
	var left int
	var bytes []byte
	must(db.QueryRow("SELECT count(*) OVER (), c FROM marts."+driver+" ORDER BY a").Scan(&left, &bytes))
	fmt.Println("writes", count, left, bytes)

	limited, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer stop()
	began := time.Now()
	_, err = db.ExecContext(limited, "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b")
	fmt.Println("cancelled", err != nil && isCancelled(err) && time.Since(began) < 10*time.Second)
	return db
}

func libpq(uri string) {
	db := standard("postgres", uri+"?sslmode=disable", func(err error) bool {
		var failure *pq.Error
		return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &failure) && failure.Code == "57014"
	})
	_, err := db.Exec("SELECT 1 / 0")
	var failure *pq.Error
	fmt.Println("error", errors.As(err, &failure) && failure.Code == "22012")
	var array []string
	must(db.QueryRow("SELECT $1::text[] || 'c'::text", pq.Array([]string{"a", "b,\""})).Scan(pq.Array(&array)))
	fmt.Println("array", strings.Join(array, "|"))

	transaction, err := db.Begin()
	must(err)
	copying, err := transaction.Prepare(pq.CopyInSchema("marts", "postgres", "a", "b"))
	must(err)
	for i := 0; i < 1000; i++ {
		_, err = copying.Exec(i, "row")
		must(err)
	}
	_, err = copying.Exec()
	must(err)
	must(copying.Close())
	must(transaction.Commit())
	var count int
	must(db.QueryRow("SELECT count(*) FROM marts.postgres").Scan(&count))
	fmt.Println("COPY", count)
}

func native(uri string) {
	standard("pgx", uri, func(err error) bool {
		var failure *pgconn.PgError
		return errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) || errors.As(err, &failure) && failure.Code == "57014"
	})
	ctx := context.Background()
	c, err := pgx.Connect(ctx, uri)
	must(err)
	defer c.Close(ctx)
	_, err = c.Exec(ctx, "SELECT 1 / 0")
	var failure *pgconn.PgError
	fmt.Println("error", errors.As(err, &failure) && failure.Code == "22012")
	var array []string
	must(c.QueryRow(ctx, "SELECT $1::text[] || 'c'::text", []string{"a", "b,\""}).Scan(&array))
	fmt.Println("array", strings.Join(array, "|"))

	var input [][]interface{}
	for i := 0; i < 1000; i++ {
		input = append(input, []interface{}{int32(i), "row"})
	}
	copied, err := c.CopyFrom(ctx, pgx.Identifier{"marts", "pgx"}, []string{"a", "b"}, pgx.CopyFromRows(input))
	must(err)
	var count int
	must(c.QueryRow(ctx, "SELECT count(*) FROM marts.pgx").Scan(&count))
	fmt.Println("COPY", copied, count)

	batch := &pgx.Batch{}
	for i := 0; i < 50; i++ {
		batch.Queue("SELECT $1::int * 2", i)
	}
	results := c.SendBatch(ctx, batch)
	sum := 0
	for i := 0; i < 50; i++ {
		var one int
		must(results.QueryRow().Scan(&one))
		sum += one
	}
	must(results.Close())
	fmt.Println("batch", sum)
}

func main() {
	if os.Args[1] == "lib/pq" {
		libpq(os.Args[2])
	} else {
		native(os.Args[2])
	}
}
