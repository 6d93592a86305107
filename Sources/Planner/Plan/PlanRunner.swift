// The seam to whoever runs plans: the local executor, later a distributed engine.
public import Columns
public import Diagnostics
public import Functions

/// What planning and running one statement need to know of its session.
public struct PlanContext: Sendable {
    public var functions: FunctionContext
    /// Rules switched off by name: `SET disabled_rules`.
    public var disabledRules: Set<String>
    /// Worker threads this query may use; nil: as many as the machine has.
    public var threadsMax: Int?
    /// Bytes this query's operators may hold; nil: the server's default.
    public var memoryMaxBytes: Int64?
    /// Whether operators time themselves (EXPLAIN ANALYZE).
    public var isProfiled: Bool
    /// What one query may read.
    public var scanLimits = ScanLimits()
    /// What requests cost, for EXPLAIN ANALYZE.
    public var prices = RequestPrices()

    public init(
        functions: FunctionContext = FunctionContext(), disabledRules: Set<String> = [], threadsMax: Int? = nil,
        memoryMaxBytes: Int64? = nil, isProfiled: Bool = false
    ) {
        self.functions = functions
        self.disabledRules = disabledRules
        self.threadsMax = threadsMax
        self.memoryMaxBytes = memoryMaxBytes
        self.isProfiled = isProfiled
    }
}

extension PlanContext {
    /// Throws when the statement was given up; asked wherever planning may take long, at every node at least.
    public static func checkGivenUp() throws(SQLError) {
        guard !Task.isCancelled else { throw SQLError(.queryCanceled, "canceling statement due to user request") }
    }
}

/// What the scans of one query may read; nil: no limit.
public struct ScanLimits: Sendable, Hashable {
    public var bytesMax: Int64?
    public var filesMax: Int?
    public init(bytesMax: Int64? = nil, filesMax: Int? = nil) {
        self.bytesMax = bytesMax
        self.filesMax = filesMax
    }
}

/// Runs optimized plans.
public protocol PlanRunner: Sendable {
    /// Whether this runner takes the plan.
    func accepts(_ plan: LogicalPlan) -> Bool
    /// Plans scans, lowers and starts the query; rows begin to queue.
    func start(_ plan: LogicalPlan, _ context: PlanContext) async throws(SQLError) -> any RunningQuery
}

/// A query under way.
public protocol RunningQuery: Sendable {
    /// Returns the next batch in the plan's column order, nil at the end. One caller at a time. The queue behind it is
    /// bounded: a caller that does not ask parks the query.
    func next() async throws(SQLError) -> Batch?
    /// Stops the work soon: `next()` then throws `reason`. Safe from any thread, any number of times.
    func cancel(_ reason: SQLError)
    /// Waits until nothing works for it any more, after its end or a cancel: files it writes are then complete or left.
    func ended() async
    /// What was done so far; complete once `next()` gave nil.
    var report: RunReport { get }
    /// The part of the scans' bytes that workers have taken, 0 to 1; nil while that is not known.
    var progress: Double? { get }
}

/// What running a plan did: one node an operator, as EXPLAIN ANALYZE prints it.
public struct RunReport: Sendable {
    /// A line of counts: one sentence for readers, a number each for programs.
    public struct Measure: Sendable {
        /// "Files: 12 considered, 9 pruned by partition, ..."
        public var name: String
        public var text: String
        public var counts: [(name: String, value: Int64)]
        public init(_ name: String, _ text: String, _ counts: [(name: String, value: Int64)]) {
            self.name = name
            self.text = text
            self.counts = counts
        }
    }

    public struct Node: Sendable {
        /// "Hash Join", "Parquet Scan on orders".
        public var title: String
        /// Facts, a line each: "Filter: ...", "Files: 12 considered, 3 opened".
        public var details: [(name: String, value: String)]
        /// What the run counted, after the facts.
        public var measures: [Measure] = []
        public var rowsEstimated: Double?
        public var rows: Int64
        /// Wall time of all workers, nanoseconds.
        public var nanoseconds: Int64
        public var memoryPeakBytes: Int64
        public var children: [Node]
        public init(
            title: String, details: [(name: String, value: String)] = [], rowsEstimated: Double? = nil, rows: Int64 = 0,
            nanoseconds: Int64 = 0, memoryPeakBytes: Int64 = 0, children: [Node] = []
        ) {
            self.title = title
            self.details = details
            self.rowsEstimated = rowsEstimated
            self.rows = rows
            self.nanoseconds = nanoseconds
            self.memoryPeakBytes = memoryPeakBytes
            self.children = children
        }
    }
    public var root: Node
    public var nanoseconds: Int64
    public var memoryPeakBytes: Int64
    /// Counts of the whole query.
    public var measures: [Measure] = []
    public init(root: Node, nanoseconds: Int64 = 0, memoryPeakBytes: Int64 = 0) {
        self.root = root
        self.nanoseconds = nanoseconds
        self.memoryPeakBytes = memoryPeakBytes
    }
}
