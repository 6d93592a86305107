// Advisory locks: numbers that sessions of one server agree on. pg_advisory_lock and its kin.
import Columns
import Diagnostics
import Glibc
import Synchronization

/// The locks of all sessions of this process.
public final class AdvisoryLocks: Sendable {
    public static let shared = AdvisoryLocks()

    /// One number of 64 bits, or two of 32: different locks.
    struct Key: Hashable, Sendable {
        var database: String
        var isPair: Bool
        var number: Int64
    }

    private struct Hold {
        var owner: Int32
        var isShared: Bool
        /// Whether it ends with the transaction.
        var isTransaction: Bool
        var count: Int
    }

    private let holds = Mutex<[Key: [Hold]]>([:])

    /// Locks at one time, as PostgreSQL's memory bounds them.
    private static let locksMax = 100_000

    func take(_ key: Key, owner: Int32, isShared: Bool, isTransaction: Bool) throws(SQLError) -> Bool {
        let taken: Bool? = holds.withLock { holds in
            var mine = holds[key] ?? []
            if mine.isEmpty, holds.count >= AdvisoryLocks.locksMax { return nil }
            // Shared locks go together; a session does not wait for itself.
            if mine.contains(where: { $0.owner != owner && !($0.isShared && isShared) }) { return false }
            let same = mine.firstIndex {
                $0.owner == owner && $0.isShared == isShared && $0.isTransaction == isTransaction
            }
            if let same {
                mine[same].count += 1
            } else {
                mine.append(Hold(owner: owner, isShared: isShared, isTransaction: isTransaction, count: 1))
            }
            holds[key] = mine
            return true
        }
        guard let taken else { throw SQLError(.outOfMemory, "out of shared memory", hint: "Too many advisory locks.") }
        return taken
    }

    /// Gives a session's lock back; false when it has none.
    func release(_ key: Key, owner: Int32, isShared: Bool) -> Bool {
        holds.withLock { holds in
            guard var mine = holds[key],
                let index = mine.firstIndex(where: {
                    $0.owner == owner && $0.isShared == isShared && !$0.isTransaction
                })
            else { return false }
            mine[index].count -= 1
            if mine[index].count == 0 { mine.remove(at: index) }
            holds[key] = mine.isEmpty ? nil : mine
            return true
        }
    }

    /// Gives back what a session holds: all of it, or the locks that end with its transaction.
    public func releaseAll(owner: Int32, ofTransaction: Bool) {
        holds.withLock { holds in
            guard !holds.isEmpty else { return }
            for (key, mine) in holds where mine.contains(where: { $0.owner == owner }) {
                let left = mine.filter { $0.owner != owner || $0.isTransaction != ofTransaction }
                holds[key] = left.isEmpty ? nil : left
            }
        }
    }
}

enum AdvisoryLockFunctions {
    /// How long pg_advisory_lock waits: the thread that waits serves other queries, too.
    private static let waitMilliseconds = 1_000
    private static let stepMicroseconds: UInt32 = 5_000

    static let all: [Overload] =
        ["", "_xact"].flatMap { scope in
            ["", "_shared"].flatMap { mode -> [Overload] in
                let (isShared, isTransaction) = (!mode.isEmpty, !scope.isEmpty)
                var made = declared("pg_advisory\(scope)_lock\(mode)", .text) { (key, owner) throws(SQLError) in
                    try wait(key, owner, isShared: isShared, isTransaction: isTransaction)
                    return Scalar.text("")
                }
                made += declared("pg_try_advisory\(scope)_lock\(mode)", .boolean) { (key, owner) throws(SQLError) in
                    let taken = try AdvisoryLocks.shared.take(
                        key, owner: owner, isShared: isShared, isTransaction: isTransaction)
                    return .boolean(taken)
                }
                if !isTransaction {
                    made += declared("pg_advisory_unlock\(mode)", .boolean) { (key, owner) throws(SQLError) in
                        .boolean(AdvisoryLocks.shared.release(key, owner: owner, isShared: isShared))
                    }
                }
                return made
            }
        } + [
            Overload("pg_advisory_unlock_all", [SQLType](), .text, volatility: .volatile, canFail: false) {
                (context, _, rows) throws(SQLError) in
                AdvisoryLocks.shared.releaseAll(owner: context.processID, ofTransaction: false)
                return Column.constant(.text(""), count: rows)
            }
        ]

    private static func wait(
        _ key: AdvisoryLocks.Key, _ owner: Int32, isShared: Bool, isTransaction: Bool
    ) throws(SQLError) {
        var left = waitMilliseconds * 1_000
        while try !AdvisoryLocks.shared.take(key, owner: owner, isShared: isShared, isTransaction: isTransaction) {
            guard left > 0 else {
                throw SQLError(
                    SQLState("55P03"), "could not obtain advisory lock",
                    detail: "Another session held it for \(waitMilliseconds) ms.",
                    hint: "Try again, or use pg_try_advisory_lock().")
            }
            usleep(stepMicroseconds)
            left -= Int(stepMicroseconds)
        }
    }

    private static func declared(
        _ name: String, _ type: SQLType,
        _ body: @escaping @Sendable (AdvisoryLocks.Key, Int32) throws(SQLError) -> Scalar
    ) -> [Overload] {
        [[SQLType.int8], [.int4, .int4]].map { parameters in
            Overload(name, parameters, type, volatility: .volatile) { (context, a, rows) throws(SQLError) in
                let builder = ColumnBuilder(type, capacity: rows)
                for row in 0..<rows {
                    guard a.allSatisfy({ $0.isValid(row) }) else {
                        builder.appendNull()
                        continue
                    }
                    let number: Int64
                    if a.count == 2 {
                        let high = Int64(a[0].pointer(Int32.self)[a[0].slot(row)])
                        number = high << 32 | Int64(UInt32(bitPattern: a[1].pointer(Int32.self)[a[1].slot(row)]))
                    } else {
                        number = a[0].pointer(Int64.self)[a[0].slot(row)]
                    }
                    let key = AdvisoryLocks.Key(database: context.database, isPair: a.count == 2, number: number)
                    builder.append(try body(key, context.processID))
                }
                return builder.finish()
            }
        }
    }
}
