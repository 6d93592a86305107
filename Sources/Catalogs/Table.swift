// The table seam: schema, statistics, and a scan request answered with tasks.
public import Columns
public import Diagnostics

/// Something that can be scanned, pinned to one state.
public protocol Table: Sendable {
    /// How EXPLAIN names it.
    var name: String { get }
    var schema: Schema { get }
    /// Columns that a query may name and `*` does not list; scans take them by the indexes after the schema's.
    var hiddenColumns: [Field] { get }
    /// What is known without reading data. May be estimates.
    var statistics: TableStatistics { get }
    /// Whether scans can read a field of a struct alone.
    var readsFields: Bool { get }
    /// Plans a scan: prunes, and returns tasks with what they already enforce.
    func scan(_ request: ScanRequest) async throws(SQLError) -> ScanPlan
}

extension Table {
    public var hiddenColumns: [Field] { [] }
    public var readsFields: Bool { false }
}

/// Facts for the optimizer.
public struct TableStatistics: Sendable {
    /// Rows, nil when unknown.
    public var rows: Double?
    /// Whether `rows` and the columns' bounds and null counts are exact, so that aggregates may be answered from them.
    public var isExact: Bool
    public var sizeBytes: Int64?
    /// By column index.
    public var columns: [Int: ColumnFacts]
    public init(
        rows: Double? = nil, isExact: Bool = false, sizeBytes: Int64? = nil, columns: [Int: ColumnFacts] = [:]
    ) {
        self.rows = rows
        self.isExact = isExact
        self.sizeBytes = sizeBytes
        self.columns = columns
    }
}

/// What is known of one column.
public struct ColumnFacts: Sendable {
    public var min: Scalar?
    public var max: Scalar?
    public var nullCount: Int64?
    public var distinct: Double?
    public init(min: Scalar? = nil, max: Scalar? = nil, nullCount: Int64? = nil, distinct: Double? = nil) {
        self.min = min
        self.max = max
        self.nullCount = nullCount
        self.distinct = distinct
    }
}

/// What a scan must deliver.
public struct ScanRequest: Sendable {
    /// Table columns to return, by index, in output order.
    public var columns: [Int]
    /// What must hold, by table column index: conjunctions of domains that prune. A superset of the filter's effect:
    /// rows outside a domain may be returned, because the scan operator filters again.
    public var domains: [Int: ColumnDomain]
    /// Whether rows may match whose output columns have these values (one row each; nil: not known), the same for all
    /// of them: for values that a file's path tells. Called by one thread at a time.
    public var mayPass: (@Sendable ([Column?]) -> Bool)?
    /// Rows wanted at most, when no filter remains.
    public var limit: Int?
    /// Output columns, by their place, that are a field inside a struct: the places of the fields on the way. Asked
    /// for only of tables that read fields.
    public var paths: [Int: [Int]] = [:]
    /// What must hold for those, as `domains`.
    public var fieldDomains: [Int: ColumnDomain] = [:]
    public init(columns: [Int], domains: [Int: ColumnDomain] = [:], limit: Int? = nil) {
        self.columns = columns
        self.domains = domains
        self.limit = limit
    }
}

/// The answer to a scan request.
public struct ScanPlan: Sendable {
    public var tasks: [any ScanTask]
    /// What planning did, for EXPLAIN.
    public var report: ScanReport
    public init(tasks: [any ScanTask], report: ScanReport = ScanReport()) {
        self.tasks = tasks
        self.report = report
    }
}

/// Counts of what pruning did before anything was opened.
public struct ScanReport: Sendable, Hashable {
    public var filesConsidered = 0
    public var filesPrunedByPartition = 0
    public var filesPrunedByStatistics = 0
    public var rowGroupsPruned = 0
    /// Requests that planning sent, those for opening the table among them.
    public var requests: Int64 = 0
    /// Those of them that listed folders.
    public var listRequests = 0
    /// Bytes of files that planning read.
    public var bytesRead: Int64 = 0
    /// All of what planning asked of storage.
    public var storage = RequestCounters()
    public init() {}
}

/// A part of a scan that one worker reads: a file or some of its row groups.
public protocol ScanTask: Sendable {
    /// Bytes to read, estimated.
    var bytes: Int64 { get }
    /// Rows, when known.
    var rows: Int64? { get }
    /// Starts reading without waiting for bytes; `next()` waits. Opening ahead is how a scan prefetches.
    func open(_ context: ScanContext) throws(SQLError) -> any BatchSource
}

/// What a running scan brings to its tasks.
public struct ScanContext {
    /// Applied inside the scan, so that other columns are read only where rows survive. Indexes are output columns.
    public var filter: (any BatchFilter)?
    /// Bounds found at run time (join keys, top-N), by output column; asked again at each row group.
    public var dynamicDomains: (@Sendable () -> [Int: ColumnDomain])?
    public var metrics: ScanMetrics
    /// Tells that nobody waits for the rows any more.
    public var stop: StopSignal?
    public init(
        filter: (any BatchFilter)? = nil, dynamicDomains: (@Sendable () -> [Int: ColumnDomain])? = nil,
        metrics: ScanMetrics = ScanMetrics(), stop: StopSignal? = nil
    ) {
        self.filter = filter
        self.dynamicDomains = dynamicDomains
        self.metrics = metrics
        self.stop = stop
    }
}
