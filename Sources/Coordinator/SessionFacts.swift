// What functions may know of a session, and the clock.
import Columns
import Functions

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The system's clock.
enum SystemClock {
    /// Microseconds since 1970 UTC.
    static func microseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}

/// Makes the context of functions.
enum SessionFacts {
    static func functions(
        now: Int64, start: Int64, zone: SessionTimeZone, user: String, database: String, settings: SessionSettings
    ) -> FunctionContext {
        FunctionContext(
            transactionTime: start, statementTime: now, timeZone: zone, user: user, database: database,
            branch: settings["branch"], searchPath: settings.searchPath,
            setting: { name in try? settings.value(name) })
    }
}
