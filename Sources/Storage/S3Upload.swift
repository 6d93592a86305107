// Multipart uploads to S3: parts go out side by side while the next ones are made; small objects are one PUT.

import Diagnostics
import Foundation

/// An object of S3 on its way.
final class S3Upload: ObjectUpload {
    /// S3 wants 5 MiB at least, and some servers want all parts but the last to be equally long.
    static let partBytes = 8 << 20
    /// Parts double after every so many, so that 10,000 of them carry hundreds of gigabytes.
    static let partsPerSize = 2_400
    /// What S3 allows.
    static let partsMax = 10_000
    /// Parts on their way at a time: this and one more is what an upload keeps in memory.
    static let partsAtOnce = 4

    private let store: S3Store
    private let sender: S3Sender
    private let path: ObjectPath
    private let metrics: StoreMetrics?
    private let mark = S3Store.mark()
    private let flight = Flight()

    private var pending: [Bytes] = []
    private var pendingBytes = 0
    private var id: String?
    private var parts = 0
    private var isOver = false
    private(set) var sizeBytes: Int64 = 0

    init(_ store: S3Store, _ sender: S3Sender, _ path: ObjectPath, _ metrics: StoreMetrics?) {
        self.store = store
        self.sender = sender
        self.path = path
        self.metrics = metrics
    }

    deinit { abort() }

    /// The size of the next part.
    private var nextBytes: Int { S3Upload.partBytes << (parts / S3Upload.partsPerSize) }

    func append(_ more: [Bytes]) throws(SQLError) {
        for bytes in more {
            var from = 0
            while from < bytes.count {
                let take = min(bytes.count - from, nextBytes - pendingBytes)
                pending.append(bytes.slice(from..<from + take))
                pendingBytes += take
                from += take
                if pendingBytes == nextBytes { try sendPart() }
            }
            sizeBytes += Int64(bytes.count)
        }
        if let error = flight.error { throw error }
    }

    var heldBytes: Int { pendingBytes + flight.bytes }

    func seal() throws(SQLError) {
        if pendingBytes > 0 { try sendPart() }
        _ = try flight.wait()
    }

    /// Sends what is pending as the next part; waits only while too many are on their way.
    private func sendPart() throws(SQLError) {
        guard parts < S3Upload.partsMax else {
            throw SQLError(.programLimitExceeded, "could not write \"\(path)\": too large for one object")
        }
        let id = try begin()
        try flight.enter(S3Upload.partsAtOnce, pendingBytes)
        parts += 1
        var operation = S3Operation(verb: "write", path: path, method: .put, body: pending)
        operation.headers = ["content-type: application/octet-stream"]
        operation.query = [("partNumber", "\(parts)"), ("uploadId", id)]
        operation.check = { $0.head["etag"] == nil ? .again("the answer has no entity tag") : .good }
        let (number, bytes) = (parts, pendingBytes)
        pending = []
        pendingBytes = 0
        sender.send(operation, metrics) { [flight, metrics] result in
            if case .success = result { metrics?.addBytesWritten(Int64(bytes)) }
            flight.leave(number, bytes, result.map { $0.head["etag"] ?? "" })
        }
    }

    private func begin() throws(SQLError) -> String {
        if let id { return id }
        var operation = S3Operation(verb: "write", path: path, method: .post)
        operation.headers = ["content-type: application/octet-stream", "x-amz-meta-apus-write: \(mark)"]
        operation.query = [("uploads", "")]
        operation.check = { S3UploadDocument($0.body).id == nil ? .again("the answer has no upload id") : .good }
        let response = try waitFor { done in sender.send(operation, metrics, then: done) }.get()
        guard let made = S3UploadDocument(response.body).id else {
            throw SQLError(.ioError, "could not write \"\(path)\": unexpected answer")
        }
        id = made
        return made
    }

    func complete(if precondition: Precondition) throws(SQLError) -> ObjectInfo {
        guard id != nil else {
            let info = try store.writeBlocking(pending, to: path, if: precondition, metrics: metrics)
            isOver = true
            return info
        }
        if pendingBytes > 0 { try sendPart() }
        let tags = try flight.wait()
        let info = try finish(tags, precondition)
        isOver = true
        return info
    }

    private func finish(_ tags: [Int: String], _ precondition: Precondition) throws(SQLError) -> ObjectInfo {
        var text = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        for (number, tag) in tags.sorted(by: { $0.key < $1.key }) {
            text += "<Part><PartNumber>\(number)</PartNumber><ETag>\"\(ETag.bare(tag))\"</ETag></Part>"
        }
        text += "</CompleteMultipartUpload>"
        var operation = S3Operation(verb: "write", path: path, method: .post, body: [Bytes(text)])
        operation.headers = ["content-type: application/xml"] + precondition.headers
        operation.query = [("uploadId", id ?? "")]
        operation.check = { response in
            // A failure may come after the status was sent: the document tells.
            if S3UploadDocument(response.body).etag != nil { return .good }
            return .again(S3ErrorDocument(response.body).code ?? "the answer has no entity tag")
        }
        let path = path
        operation.judge = { response, attempt in
            switch response.head.status {
            // The answer to an attempt before may have got lost: the mark tells whether it was us.
            case 412: attempt > 0 ? .good : .failed(S3Store.conflict(path, precondition))
            case 404 where S3ErrorDocument(response.body).code == "NoSuchUpload" && attempt > 0: .good
            case 404 where precondition.isMatch: .failed(S3Store.conflict(path, precondition))
            case 409: .again("conflicting writes")
            default: nil
            }
        }
        let response = try waitFor { done in sender.send(operation, metrics, then: done) }.get()
        if (200..<300).contains(response.head.status), let etag = S3UploadDocument(response.body).etag {
            return ObjectInfo(
                path: path, sizeBytes: sizeBytes, modified: S3Store.modified(response), etag: ETag.bare(etag))
        }
        let found = try waitFor { done in
            store.head(path, metrics, mark: mark, then: done, orAnswer: { nil })
        }.get()
        guard let found else { throw S3Store.conflict(path, precondition) }
        return found
    }

    func abort() {
        guard !isOver else { return }
        isOver = true
        pending = []
        guard let id else { return }
        // Parts that arrive after the end would stay: let them land first.
        _ = try? flight.wait()
        var operation = S3Operation(verb: "delete", path: path, method: .delete)
        operation.query = [("uploadId", id)]
        operation.judge = { response, _ in response.head.status == 404 ? .good : nil }
        // Nobody can do anything about a failure; the server's own rule for old uploads cleans up.
        sender.send(operation, metrics) { _ in }
    }
}

/// The parts on their way: counted by the thread that sends, reported by the client's thread.
private final class Flight: @unchecked Sendable {
    // Sendable: the condition's lock guards all fields.
    private let condition = NSCondition()
    private var count = 0
    private var held = 0
    private var tags: [Int: String] = [:]
    private var failure: SQLError?

    /// Bytes on their way.
    var bytes: Int {
        condition.lock()
        defer { condition.unlock() }
        return held
    }

    var error: SQLError? {
        condition.lock()
        defer { condition.unlock() }
        return failure
    }

    /// Waits until fewer than `most` are on their way.
    func enter(_ most: Int, _ bytes: Int) throws(SQLError) {
        condition.lock()
        defer { condition.unlock() }
        while count >= most { condition.wait() }
        if let failure { throw failure }
        count += 1
        held += bytes
    }

    func leave(_ number: Int, _ bytes: Int, _ result: Result<String, SQLError>) {
        condition.lock()
        defer { condition.unlock() }
        count -= 1
        held -= bytes
        switch result {
        case .success(let tag): tags[number] = tag
        case .failure(let error): failure = failure ?? error
        }
        condition.broadcast()
    }

    /// Waits until none is on its way.
    func wait() throws(SQLError) -> [Int: String] {
        condition.lock()
        defer { condition.unlock() }
        while count > 0 { condition.wait() }
        if let failure { throw failure }
        return tags
    }
}

/// What the documents of multipart uploads tell.
struct S3UploadDocument {
    private(set) var id: String?
    private(set) var etag: String?

    init(_ body: [UInt8]) {
        var id: String?
        var etag: String?
        let isWhole = XMLScanner.scan(body) { path, text in
            // Servers do not agree on how the root's name ends.
            guard path.count == 2 else { return }
            if path[0].hasPrefix("InitiateMultipartUpload"), path[1] == "UploadId" { id = text }
            if path[0].hasPrefix("CompleteMultipartUpload"), path[1] == "ETag" { etag = text }
        }
        guard isWhole else { return }
        self.id = id
        self.etag = etag
    }
}
