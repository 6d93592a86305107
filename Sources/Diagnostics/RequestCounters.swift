// How much was asked of storage, as values that add up: of one reader, one scan, one query.

/// Requests and bytes.
public struct RequestCounters: Sendable, Hashable {
    /// Requests sent, with their retries; reads of local files count, too.
    public var requests: Int64 = 0
    /// Bytes of objects received.
    public var bytesRead: Int64 = 0
    /// Bytes of objects sent.
    public var bytesWritten: Int64 = 0
    /// Pages of listings.
    public var lists: Int64 = 0
    /// Requests sent again after a failure.
    public var retries: Int64 = 0
    /// Requests sent a second time because the first was slow.
    public var hedges: Int64 = 0
    /// Requests that an object store saw, and bills; listings are among them.
    public var billed: Int64 = 0
    public var billedLists: Int64 = 0
    /// Reads that the disk cache answered, and their bytes.
    public var cacheHits: Int64 = 0
    public var cacheBytes: Int64 = 0

    public init() {}

    /// Combines each count with the other's.
    private mutating func merge(_ other: RequestCounters, _ combine: (Int64, Int64) -> Int64) {
        requests = combine(requests, other.requests)
        bytesRead = combine(bytesRead, other.bytesRead)
        bytesWritten = combine(bytesWritten, other.bytesWritten)
        lists = combine(lists, other.lists)
        retries = combine(retries, other.retries)
        hedges = combine(hedges, other.hedges)
        billed = combine(billed, other.billed)
        billedLists = combine(billedLists, other.billedLists)
        cacheHits = combine(cacheHits, other.cacheHits)
        cacheBytes = combine(cacheBytes, other.cacheBytes)
    }

    public static func += (left: inout RequestCounters, right: RequestCounters) { left.merge(right, &+) }

    public static func - (left: RequestCounters, right: RequestCounters) -> RequestCounters {
        var result = left
        result.merge(right, &-)
        return result
    }
}

/// What an object store bills, in dollars.
public struct RequestPrices: Sendable, Hashable {
    public var ofThousandReads: Double
    public var ofThousandLists: Double
    public var ofGigabyte: Double

    public init(ofThousandReads: Double = 0.0004, ofThousandLists: Double = 0.005, ofGigabyte: Double = 0) {
        self.ofThousandReads = ofThousandReads
        self.ofThousandLists = ofThousandLists
        self.ofGigabyte = ofGigabyte
    }

    /// What requests cost, and the bytes that they brought.
    public func cost(of counters: RequestCounters) -> Double {
        let reads = Double(counters.billed - counters.billedLists)
        return (reads * ofThousandReads + Double(counters.billedLists) * ofThousandLists) / 1_000
            + Double(counters.bytesRead) / 1e9 * ofGigabyte
    }
}
