# Commands: run, test, bench, bench-catalog, clients, differential, fuzz, lint, asan. Each installs what is missing, then calls the plain swift command it prints.
# Variables: PORT and HTTP_PORT (make run), FILTER (make test FILTER=WireTests).

PORT ?= 5432
HTTP_PORT ?= 8080
DATA ?= data
SWIFT ?= swift
# The Swift runtime goes into the binary: it runs on machines without a toolchain. STATIC= links it as shared libraries.
STATIC ?= --static-swift-stdlib
PACKAGES = libcurl4-openssl-dev libsnappy-dev libzstd-dev liblz4-dev libbrotli-dev zlib1g-dev libpcre2-dev \
	libpq-dev libsqlite3-dev libssl-dev pkg-config tzdata
BINARY = .build/release/apus

.PHONY: run build test bench bench-catalog clients differential fuzz lint asan packages

run: build
	@sh .ci/serve-sample "$(BINARY)" "$(PORT)" "$(HTTP_PORT)" "$(DATA)"

build: packages
	$(SWIFT) build -c release --product apus $(STATIC)

test: packages
	sh .ci/test-packages
	$(SWIFT) test --no-parallel $(if $(FILTER),--filter $(FILTER))

bench: build
	python3 Tests/Bench/bench.py --binary $(BINARY) $(ARGS)

# Commits a second and the cost of a name among 100,000 tables and a million commits, on both stores; and two servers.
bench-catalog: packages
	sh .ci/test-packages
	APUS_BENCH=1 APUS_TWO_SERVERS=10000 $(SWIFT) test -c release -Xswiftc -enable-testing --no-parallel \
		--filter 'VersionsTests.CatalogBench|VersionsTests.TwoServersTests'

# Programs from PyPI as clients of a server of their own; Tests/Clients/README.md.
clients: build
	python3 -m venv .build/clients
	.build/clients/bin/pip install --quiet psycopg2-binary asyncpg pg8000 SQLAlchemy pandas polars connectorx pyarrow \
		adbc-driver-postgresql 'dlt[postgres]' duckdb==1.4.4 duckdb-ext-postgres 'psycopg[binary]'
	PATH=$(CURDIR)/.build/clients/bin:$$PATH .build/clients/bin/python Tests/Clients/drivers.py
	.build/clients/bin/pip install --quiet 'dbt-core==1.9.*' 'dbt-postgres==1.9.*' 'psycopg[binary]' pyarrow 'moto[server]' boto3
	PATH=$(CURDIR)/.build/clients/bin:$$PATH .build/clients/bin/python Tests/Clients/dbt/run.py --apus $(BINARY)

# Random queries on a running Apus and a PostgreSQL: ARGS='--apus DSN --postgres DSN --queries 100000'.
differential:
	python3 Tests/Differential/differential.py $(ARGS)

# Random bytes under AddressSanitizer through all that reads what others wrote, for FUZZ_SECONDS in all.
FUZZ_SECONDS ?= 3600
fuzz: packages
	APUS_FUZZ=1 $(SWIFT) build -c release --scratch-path .build/fuzz --product fuzz -Xswiftc -sanitize=fuzzer,address
	.ci/fuzz .build/fuzz/release/fuzz $(FUZZ_SECONDS)

lint:
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests

# Bad input under AddressSanitizer, in a folder of its own.
asan: packages
	ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 $(SWIFT) test --sanitize=address --scratch-path .build/asan --no-parallel \
		--filter 'ServerTests.MalformedTests|ServerTests.ConversationTests|FormatsTests.CorpusTests|WireTests'

packages:
	@sh .ci/packages $(PACKAGES)
