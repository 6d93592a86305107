// What the scans of a query may read, and what they asked of object storage in the end.
import Catalogs
import Diagnostics
import Planner

extension ScanLimits {
    /// Refuses a query whose planned scans would read more.
    func check(_ slots: [ScanSlot]) throws(SQLError) {
        guard bytesMax != nil || filesMax != nil else { return }
        var bytes: Int64 = 0
        var files = 0
        for plan in slots.compactMap(\.plan) {
            for task in plan.tasks { bytes &+= task.bytes }
            let report = plan.report
            files += report.filesConsidered - report.filesPrunedByPartition - report.filesPrunedByStatistics
        }
        if let bytesMax, bytes > bytesMax {
            throw ScanLimits.refusal("read \(bytes) bytes", "max_scan_bytes", "\(bytesMax) bytes")
        }
        if let filesMax, files > filesMax {
            throw ScanLimits.refusal("read \(files) files", "max_scan_files", "\(filesMax)")
        }
    }

    private static func refusal(_ what: String, _ setting: String, _ limit: String) -> SQLError {
        SQLError(
            .configurationLimitExceeded, "the query would \(what), more than \(setting) allows",
            detail: "The limit is \(limit).",
            hint: "Ask for fewer partitions or columns, or raise \(setting).")
    }
}

extension RequestPrices {
    /// What scans asked of object storage; nothing where there was none.
    func measures(of slots: [ScanSlot]) -> [RunReport.Measure] {
        var asked = RequestCounters()
        for slot in slots {
            if let plan = slot.plan { asked += plan.report.storage }
            asked += slot.metrics.storage
        }
        guard asked.billed > 0 || asked.cacheHits > 0 else { return [] }
        let cost = cost(of: asked)
        var lines = [
            RunReport.Measure(
                "Object Storage",
                "\(asked.billed) requests (\(asked.billedLists) listings, \(asked.retries) retries, "
                    + "\(asked.hedges) hedges), \(asked.bytesRead) bytes, cost $\(RequestPrices.dollars(cost))",
                [
                    ("Storage Requests", asked.billed), ("Storage List Requests", asked.billedLists),
                    ("Storage Retries", asked.retries), ("Storage Hedges", asked.hedges),
                    ("Storage Bytes Read", asked.bytesRead),
                    ("Storage Cost Nanodollars", Int64(min(cost * 1e9, 9e18).rounded())),
                ])
        ]
        if asked.cacheHits > 0 {
            lines.append(
                RunReport.Measure(
                    "Disk Cache", "\(asked.cacheHits) reads, \(asked.cacheBytes) bytes",
                    [("Disk Cache Reads", asked.cacheHits), ("Disk Cache Bytes", asked.cacheBytes)]))
        }
        return lines
    }

    /// Nine decimals, without Foundation, without zeros at the end.
    private static func dollars(_ amount: Double) -> String {
        let nano = Int64(min(max(amount, 0) * 1e9, 9e18).rounded())
        var fraction = String(nano % 1_000_000_000)
        fraction = String(repeating: "0", count: 9 - fraction.count) + fraction
        while fraction.count > 2, fraction.hasSuffix("0") { fraction.removeLast() }
        return "\(nano / 1_000_000_000).\(fraction)"
    }
}
