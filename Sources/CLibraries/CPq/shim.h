#pragma once
#if __has_include(<postgresql/libpq-fe.h>)
#include <postgresql/libpq-fe.h>
#else
#include <libpq-fe.h>
#endif

// Notices of the server (such as "relation exists, skipping") do not go to this process's standard error.
static inline void apus_pq_ignore_notice(void *context, const PGresult *result) { (void)context; (void)result; }
static inline void apus_pq_silence(PGconn *connection) { PQsetNoticeReceiver(connection, apus_pq_ignore_notice, 0); }
