// Upkeep by the clock: the statements that a person would type, one after the other, in a session of their own.
import Diagnostics

extension Engine {
    /// What is run each time: on the main branch, and for the lake as a whole.
    private static let upkeepStatements = ["VACUUM", "COLLECT GARBAGE"]

    /// Runs upkeep again and again until the task is cancelled. `report` gets a line about each statement.
    public func keepInShape(every interval: Duration, report: @Sendable (String) -> Void) async throws {
        while true {
            try await Task.sleep(for: interval)
            for statement in Engine.upkeepStatements {
                do throws(SQLError) {
                    report("upkeep: \(statement): \(try await runUpkeep(statement))")
                } catch {
                    report("upkeep: \(statement) failed: \(error.message)")
                }
            }
        }
    }

    private func runUpkeep(_ sql: String) async throws(SQLError) -> String {
        let session = try await session(
            SessionRequest(
                user: "apus", database: database, settings: [],
                peer: PeerAddress(host: nil, isLoopback: true, isEncrypted: false), processID: 0))
        var tag = ""
        do throws(SQLError) {
            let sequence = try await session.query(sql)
            while let stream = try await sequence.next() {
                while try await stream.next() != nil {}
                if case .done(let text) = try await stream.finish().tag { tag = text }
            }
            if let error = await session.finishCycle().error { throw error }
        } catch {
            await session.close()
            throw error
        }
        await session.close()
        return tag
    }
}
