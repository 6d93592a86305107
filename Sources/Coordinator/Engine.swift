// What all sessions share: the catalog, the table format, the runner, the users. Made once by the executable.
public import Access
public import Catalogs
public import Diagnostics
public import Planner
import Synchronization

/// The engine behind a server, or behind one command.
public final class Engine: SQLServerEngine {
    /// The versioned catalog, for those who serve it in another way than SQL.
    public let catalog: any Versioned
    let format: any TableFormat
    /// Tables that Apus writes.
    let managed: any ManagedFormat
    /// Kinds of databases that ATTACH knows.
    let kinds: [any DatabaseKind]
    /// Databases that every session sees, by name.
    let attached: [String: any AttachedDatabase]
    private let runners: [any PlanRunner]
    let users: UserRules
    let notifications = NotificationHub()
    /// Roles and rights.
    let access: AccessControl
    /// What the executable adds to the metrics: worker threads, caches.
    private let moreMetrics: @Sendable () -> String
    let counters = EngineCounters()
    /// Commits of this process to one branch come one after the other.
    let commits = CommitGate()
    let sequences = LiveSequences()
    /// What the system catalog remembers of commits and tables.
    let directories = DirectoryCache()
    let activity = ActivityList()
    let copies = CopyList()
    /// What sessions stand on, for garbage collection.
    let holds = HoldRegistry()
    /// The database that connections name.
    public let database: String

    /// Who may connect, and how.
    public struct UserRules: Sendable {
        /// SCRAM verifiers by user name.
        public var verifiers: [String: String]
        /// Whether connections from this machine need no password.
        public var trustsLoopback: Bool
        /// Rules as in pg_hba.conf, the first that fits; nil: connections from this machine as `trustsLoopback` says,
        /// others by SCRAM.
        public var hosts: HostRules?
        /// The user who may do everything, and who owns what nobody else owns.
        public var superuser = "apus"
        public init(verifiers: [String: String] = [:], trustsLoopback: Bool = true, hosts: HostRules? = nil) {
            self.verifiers = verifiers
            self.trustsLoopback = trustsLoopback
            self.hosts = hosts
        }
    }

    public init(
        catalog: any Versioned, format: any TableFormat, managed: any ManagedFormat, runners: [any PlanRunner],
        users: UserRules = UserRules(), kinds: [any DatabaseKind] = [],
        attached: [String: any AttachedDatabase] = [:], database: String = "lake",
        moreMetrics: @escaping @Sendable () -> String = { "" }
    ) {
        self.catalog = catalog
        self.format = format
        self.managed = managed
        self.kinds = kinds
        self.attached = attached
        self.runners = runners
        self.users = users
        access = AccessControl(store: catalog, configured: Set(users.verifiers.keys).union([users.superuser]))
        self.database = database
        self.moreMetrics = moreMetrics
    }

    /// Users that are known by name.
    var userNames: [String] { users.verifiers.keys.sorted() }

    /// The first runner that takes a plan.
    func runner(for plan: LogicalPlan) throws(SQLError) -> any PlanRunner {
        for runner in runners where runner.accepts(plan) { return runner }
        throw SQLError(.internalError, "no runner takes this plan")
    }

    // MARK: - SQLServerEngine

    public func openSession(_ request: SessionRequest) async throws(SQLError) -> any SQLSession {
        try await session(request)
    }

    /// The same with the concrete type, for commands that need no server.
    public func session(_ request: SessionRequest) async throws(SQLError) -> Session {
        let (name, branch) = try split(request.database)
        var settings = SessionSettings()
        try settings.start("session_authorization", request.user)
        let standing = try await admitted(request)
        try settings.start("is_superuser", standing.isSuperuser ? "on" : "off")
        // What ALTER ROLE says comes first, then what the connection asks for.
        let state = access.current
        let own = state.role(named: request.user)?.settings ?? []
        for setting in state.settingsOfAll + own where setting.name != "role" {
            if let value = try? Settings.find(setting.name).check(setting.value) {
                try settings.start(setting.name, value)
            }
        }
        for (name, value) in request.settings where !value.isEmpty || name != "branch" {
            // A startup packet may hold protocol options (_pq_.*) and the replication switch.
            guard !name.hasPrefix("_pq_."), name != "replication" else { continue }
            guard name.lowercased() != "role" else {
                throw SQLError(.featureNotSupported, "the role cannot be set when connecting", hint: "SET ROLE.")
            }
            let setting = try Settings.find(name)
            try settings.start(name, try setting.check(value))
        }
        if let branch { try settings.start("branch", branch) }
        // A connection to a branch that does not exist fails like one to an unknown database.
        do {
            _ = try await catalog.commit(of: .named(settings["branch"]))
        } catch let error {
            throw SQLError(
                .invalidDatabase, "database \"\(request.database)\" does not exist", detail: error.message + ".")
        }
        let session = Session(
            engine: self, user: request.user, database: name, settings: settings, processID: request.processID)
        do throws(SQLError) {
            try await session.requireReading(.named(settings["branch"]))
        } catch {
            await session.close()
            throw error
        }
        counters.sessions.add(1, ordering: .relaxed)
        return session
    }

    /// `lake`, `lake@dev` or `lake/dev`.
    func split(_ text: String) throws(SQLError) -> (name: String, branch: String?) {
        if text == database { return (text, nil) }
        for separator in ["@", "/"] where text.hasPrefix(database + separator) {
            let branch = String(text.dropFirst(database.count + 1))
            if !branch.isEmpty { return (database, branch) }
        }
        throw SQLError(
            .invalidDatabase, "database \"\(text)\" does not exist",
            hint: "Connect to \"\(database)\", or to \"\(database)@branch\" for another branch.")
    }

    public func metricsText() async -> String {
        """
        # HELP apus_sessions_total Sessions opened.
        # TYPE apus_sessions_total counter
        apus_sessions_total \(counters.sessions.load(ordering: .relaxed))
        # HELP apus_statements_total Statements run.
        # TYPE apus_statements_total counter
        apus_statements_total \(counters.statements.load(ordering: .relaxed))
        # HELP apus_statement_errors_total Statements that ended with an error.
        # TYPE apus_statement_errors_total counter
        apus_statement_errors_total \(counters.errors.load(ordering: .relaxed))

        """ + moreMetrics()
    }
}

/// Counts for /metrics.
final class EngineCounters: Sendable {
    let sessions = Atomic<Int64>(0)
    let statements = Atomic<Int64>(0)
    let errors = Atomic<Int64>(0)
}
