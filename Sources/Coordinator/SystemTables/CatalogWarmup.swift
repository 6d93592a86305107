// The system catalog of the main branch, read once after a start while nobody waits for it: the first list of tables
// and columns that a tool asks for is then as fast as the later ones.
import Catalogs
import Diagnostics
import SystemCatalog

extension Engine {
    /// Of a catalog with more tables, whoever asks first waits.
    private static let warmedTablesMax = 50_000

    /// What tools read as a whole.
    private static let warmedRelations = [
        "pg_class", "pg_attribute", "pg_attrdef", "pg_description", "pg_constraint", "pg_index",
    ]

    /// Reads names and columns of all tables into memory. Never fails: whoever asks later sees the error.
    public func warmCatalog() async {
        do throws(SQLError) {
            let request = SessionRequest(
                user: bootstrapUser, database: database,
                settings: [(name: "application_name", value: "catalog warm-up")],
                peer: PeerAddress(host: nil, isLoopback: true, isEncrypted: false), processID: 0)
            let session = try await session(request)
            do throws(SQLError) { try await warm(session) } catch {}
            await session.close()
        } catch {}
    }

    private func warm(_ session: Session) async throws(SQLError) {
        let commit = try await catalog.commit(of: .named("main"))
        let listing = try await directories.listing(at: commit, of: catalog)
        guard listing.relations.count <= Engine.warmedTablesMax else { return }
        for relation in Engine.warmedRelations {
            let sequence = try await session.query("SELECT * FROM pg_catalog.\(relation)")
            while let stream = try await sequence.next() {
                while try await stream.next() != nil {}
                _ = try await stream.finish()
            }
            _ = await session.finishCycle()
        }
    }
}
