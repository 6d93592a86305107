// Objects of an S3 server: ranged GET, PUT, paged LIST, HEAD and DELETE.
// No answer is believed before its status, its Content-Range and its length say that it is what was asked for.

public import Diagnostics
import Foundation
import Synchronization

/// The object store over any server that speaks S3.
public final class S3Store: ObjectStore {
    /// Longer ranges are read in several requests side by side, straight into one block.
    static let partBytes: Int64 = 8 << 20
    /// What one PUT may carry, by the rules of S3.
    static let putBytesMax: Int64 = 5 << 30
    /// A server that ignores ranges must not make us wait for more than this before the bytes we want.
    static let skipBytesMax: Int64 = 1 << 30
    /// Listings beyond this are a mistake, or need another catalog.
    static let objectsMax = 20_000_000
    /// Requests of one `delete` in flight.
    static let deletesAtOnce = 32

    let sender: S3Sender

    public init(_ configuration: S3Configuration) { sender = S3Sender(configuration) }

    public var configuration: S3Configuration { sender.configuration }

    public func fetchPolicy(for path: ObjectPath) -> FetchPolicy { .remote }

    // MARK: Reading

    public func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, then done: @escaping Done<[Bytes]>
    ) {
        read(ranges, of: path, nil, metrics, nil, then: done)
    }

    public func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>
    ) {
        read(ranges, of: path, nil, metrics, cancellation, then: done)
    }

    public func read(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<[Bytes]>
    ) {
        read(ranges, of: version.path, version.etag, metrics, cancellation, then: done)
    }

    public func readBlocking(
        _ ranges: [Range<Int64>], of version: ObjectInfo, metrics: StoreMetrics?
    ) throws(SQLError) -> [Bytes] {
        try waitFor { done in read(ranges, of: version.path, version.etag, metrics, nil, then: done) }.get()
    }

    private func read(
        _ ranges: [Range<Int64>], of path: ObjectPath, _ etag: String?, _ metrics: StoreMetrics?,
        _ cancellation: CancelFlag?, then done: @escaping Done<[Bytes]>
    ) {
        var parts: [(range: Range<Int64>, target: Bytes, offset: Int)] = []
        var targets: [Bytes] = []
        do throws(SQLError) {
            for range in ranges {
                guard range.lowerBound >= 0 else { throw outOfBounds(range, path, sizeBytes: 0) }
                let target = range.isEmpty ? Bytes.empty : try Bytes(unfilled: range.count)
                targets.append(target)
                for part in S3Store.parts(of: range) {
                    parts.append((part, target, Int(part.lowerBound - range.lowerBound)))
                }
            }
        } catch {
            return done(.failure(error))
        }
        guard !parts.isEmpty else { return done(.success(targets)) }
        let gathering = Gathering(targets, path, parts: parts.count, done)
        for part in parts {
            let operation = S3Store.reading(part.range, of: path, etag, into: part.target, at: part.offset)
            // What is not bound to one version may differ between two attempts: they must not write to one place.
            send(operation, isTwice: etag != nil, metrics, cancellation) { result in
                if case .success(let response) = result { metrics?.addBytesRead(Int64(response.windowBytes)) }
                gathering.take(result)
            }
        }
    }

    /// Sends a read, a second time if it is late.
    func send(
        _ operation: S3Operation, isTwice: Bool, _ metrics: StoreMetrics?, _ cancellation: CancelFlag?,
        then done: @escaping Done<HTTPResponse>
    ) {
        guard isTwice, configuration.hedges else {
            var operation = operation
            operation.cancellation = cancellation
            return sender.send(operation, metrics, then: done)
        }
        Hedge.run(
            sender.health, until: cancellation, metrics,
            { [sender] flag, late, done in
                var operation = operation
                operation.cancellation = flag
                operation.late = late
                sender.send(operation, metrics, then: done)
            }, then: done)
    }

    /// Cuts a range into requests of about equal size.
    static func parts(of range: Range<Int64>) -> [Range<Int64>] {
        if range.isEmpty { return [] }
        let size = Int64(range.count)
        let count = (size + partBytes - 1) / partBytes
        return (0..<count).map { index in
            range.lowerBound + size * index / count..<range.lowerBound + size * (index + 1) / count
        }
    }

    private static func reading(
        _ range: Range<Int64>, of path: ObjectPath, _ etag: String?, into target: Bytes, at offset: Int
    ) -> S3Operation {
        var operation = S3Operation(verb: "read", path: path)
        operation.headers = ["range: bytes=\(range.lowerBound)-\(range.upperBound - 1)"]
        if let etag { operation.headers.append("if-match: \"\(etag)\"") }
        // Not every server looks at If-Match.
        let isOther: @Sendable (HTTPHead) -> Bool = { head in
            guard let etag, let found = head["etag"] else { return false }
            return ETag.bare(found) != etag
        }
        operation.accept = { head in
            if isOther(head) { return .refuse }
            return switch Extent(head, asked: range) {
            case .here(let skip): .window(skip: skip, count: range.count, target: target, offset: offset)
            case .tooShort, .wrong: .refuse
            }
        }
        operation.check = { response in
            if isOther(response.head) { return .failed(replacedError(path)) }
            switch Extent(response.head, asked: range) {
            case .tooShort(let size): return .failed(outOfBounds(range, path, sizeBytes: size))
            case .wrong(let why): return .again(why)
            case .here:
                if let failure = response.failure, failure.kind == .permanent { return .again(failure.text) }
                return response.windowBytes == range.count
                    ? .good : .again("the body ended after \(response.windowBytes) of \(range.count) bytes")
            }
        }
        operation.judge = { response, _ in
            if response.head.status == 412 { return .failed(replacedError(path)) }
            guard response.head.status == 416 else { return nil }
            let size = response.head["content-range"].flatMap { $0.split(separator: "/").last }.flatMap { Int64($0) }
            return .failed(outOfBounds(range, path, sizeBytes: size ?? -1))
        }
        return operation
    }

    public func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        readSuffix(bytesMax, of: path, metrics, nil, then: done)
    }

    public func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, metrics: StoreMetrics?, until cancellation: CancelFlag,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        readSuffix(bytesMax, of: path, metrics, cancellation, then: done)
    }

    private func readSuffix(
        _ bytesMax: Int, of path: ObjectPath, _ metrics: StoreMetrics?, _ cancellation: CancelFlag?,
        then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        guard bytesMax > 0 else {
            return head(path, metrics, cancellation) { result in done(result.map { (.empty, $0) }) }
        }
        guard configuration.hedges else {
            return suffix(bytesMax, of: path, metrics, cancellation, nil, then: done)
        }
        Hedge.run(
            sender.health, until: cancellation, metrics,
            { [self] flag, late, done in suffix(bytesMax, of: path, metrics, flag, late, then: done) }, then: done)
    }

    private func suffix(
        _ bytesMax: Int, of path: ObjectPath, _ metrics: StoreMetrics?, _ cancellation: CancelFlag?,
        _ late: (@Sendable () -> Void)?, then done: @escaping Done<(bytes: Bytes, info: ObjectInfo)>
    ) {
        let suffix = SuffixTarget(bytesMax)
        var operation = S3Operation(verb: "read", path: path)
        operation.headers = ["range: bytes=-\(bytesMax)"]
        operation.cancellation = cancellation
        operation.late = late
        operation.accept = { suffix.plan($0) }
        operation.check = { suffix.check($0) }
        operation.judge = { response, _ in response.head.status == 416 ? .good : nil }
        sender.send(operation, metrics) { [self] result in
            switch result {
            case .failure(let error): done(.failure(error))
            case .success(let response) where response.head.status == 416:
                // An object without bytes has no last bytes either.
                head(path, metrics, cancellation) { result in
                    done(
                        result.flatMap { info in
                            info.sizeBytes == 0
                                ? .success((.empty, info))
                                : .failure(
                                    SQLError(.ioError, "could not read \"\(path)\": the server refused the range"))
                        })
                }
            case .success(let response):
                metrics?.addBytesRead(Int64(response.windowBytes))
                guard let (bytes, sizeBytes) = suffix.result(response) else {
                    return done(.failure(SQLError(.ioError, "could not read \"\(path)\": unexpected answer")))
                }
                done(.success((bytes, S3Store.info(path, sizeBytes, response.head))))
            }
        }
    }

    private static func info(_ path: ObjectPath, _ sizeBytes: Int64, _ head: HTTPHead) -> ObjectInfo {
        ObjectInfo(
            path: path, sizeBytes: sizeBytes, modified: head["last-modified"].flatMap { S3Time.ofHeader($0) } ?? 0,
            etag: head["etag"].map(ETag.bare))
    }

    public func head(_ path: ObjectPath, metrics: StoreMetrics?) async throws(SQLError) -> ObjectInfo {
        try await resultUnlessCancelled { flag, done in head(path, metrics, flag, then: done) }.get()
    }

    private func head(
        _ path: ObjectPath, _ metrics: StoreMetrics?, _ cancellation: CancelFlag?,
        then done: @escaping Done<ObjectInfo>
    ) {
        var operation = S3Operation(verb: "read", path: path, method: .head)
        operation.cancellation = cancellation
        operation.check = { $0.head.contentLength == nil ? .again("the answer tells no size") : .good }
        sender.send(operation, metrics) { result in
            done(result.map { S3Store.info(path, $0.head.contentLength ?? 0, $0.head) })
        }
    }

    // MARK: Writing

    public func write(
        _ parts: [Bytes], to path: ObjectPath, if precondition: Precondition, metrics: StoreMetrics?,
        then done: @escaping Done<ObjectInfo>
    ) {
        let size = parts.reduce(0) { $0 + Int64($1.count) }
        guard size <= S3Store.putBytesMax else {
            return done(
                .failure(
                    SQLError(
                        .programLimitExceeded,
                        "could not write \"\(path)\": \(size) bytes are more than one request carries")))
        }
        // A conditional write whose answer got lost looks, when sent again, as if somebody else had been faster.
        // The mark tells whether it was us.
        let mark = S3Store.mark()
        var operation = S3Operation(verb: "write", path: path, method: .put, body: parts)
        operation.headers = ["content-type: application/octet-stream", "x-amz-meta-apus-write: \(mark)"]
        operation.headers += precondition.headers
        operation.judge = { response, attempt in
            switch response.head.status {
            case 412: attempt > 0 ? .good : .failed(S3Store.conflict(path, precondition))
            // Two conditional writes at one time: S3 asks the slower one to try again.
            case 409: .again("conflicting writes")
            case 404 where precondition.isMatch: .failed(S3Store.conflict(path, precondition))
            default: nil
            }
        }
        sender.send(operation, metrics) { [self] result in
            switch result {
            case .failure(let error): done(.failure(error))
            case .success(let response):
                head(path, metrics, mark: response.head.status == 412 ? mark : nil) { result in
                    metrics?.addBytesWritten(size)
                    switch result {
                    case .success(let info?): done(.success(info))
                    case .success(nil): done(.failure(S3Store.conflict(path, precondition)))
                    case .failure(let error): done(.failure(error))
                    }
                } orAnswer: {
                    response.head["etag"].map { etag in
                        ObjectInfo(
                            path: path, sizeBytes: size, modified: S3Store.modified(response), etag: ETag.bare(etag))
                    }
                }
            }
        }
    }

    static func mark() -> String {
        String(UInt64.random(in: 0 ... .max), radix: 36) + String(UInt64.random(in: 0 ... .max), radix: 36)
    }

    /// When an object just written was: the server's clock, not ours.
    static func modified(_ response: HTTPResponse) -> Int64 {
        response.head["date"].flatMap { S3Time.ofHeader($0) } ?? Int64(Date().timeIntervalSince1970 * 1_000_000)
    }

    /// Tells what was written: from the answer itself if it says enough and needs no proof, else by asking.
    /// With a mark, the object must carry it: nil if it does not.
    func head(
        _ path: ObjectPath, _ metrics: StoreMetrics?, mark: String?, then done: @escaping Done<ObjectInfo?>,
        orAnswer answer: () -> ObjectInfo?
    ) {
        if mark == nil, let info = answer() { return done(.success(info)) }
        sender.send(S3Operation(verb: "read", path: path, method: .head), metrics) { result in
            done(
                result.map { response in
                    if let mark, response.head["x-amz-meta-apus-write"] != mark { return nil }
                    return S3Store.info(path, response.head.contentLength ?? 0, response.head)
                })
        }
    }

    static func conflict(_ path: ObjectPath, _ precondition: Precondition) -> SQLError {
        precondition == .ifAbsent
            ? SQLError(.duplicateFile, "file \"\(path)\" already exists") : changedError(path)
    }

    public func upload(to path: ObjectPath, isDurable: Bool, metrics: StoreMetrics?) throws(SQLError)
        -> any ObjectUpload
    {
        S3Upload(self, sender, path, metrics)
    }

    public func delete(_ paths: [ObjectPath], metrics: StoreMetrics?) async throws(SQLError) {
        var rest = paths.dropFirst(S3Store.deletesAtOnce)
        let failure = await withTaskGroup(of: Result<Void, SQLError>.self) { group in
            var failure: SQLError?
            for path in paths.prefix(S3Store.deletesAtOnce) { group.addTask { await self.delete(path, metrics) } }
            while let result = await group.next() {
                if case .failure(let error) = result { failure = failure ?? error }
                if let path = rest.popFirst() { group.addTask { await self.delete(path, metrics) } }
            }
            return failure
        }
        if let failure { throw failure }
    }

    private func delete(_ path: ObjectPath, _ metrics: StoreMetrics?) async -> Result<Void, SQLError> {
        var operation = S3Operation(verb: "delete", path: path, method: .delete)
        operation.judge = { response, _ in
            response.head.status == 404 && S3ErrorDocument(response.body).code != "NoSuchBucket" ? .good : nil
        }
        return await resultOf { done in sender.send(operation, metrics, then: done) }.map { _ in }
    }
}

extension Precondition {
    var isMatch: Bool {
        if case .ifMatch = self { true } else { false }
    }

    /// As headers of a request that writes.
    var headers: [String] {
        switch self {
        case .none: []
        case .ifAbsent: ["if-none-match: *"]
        case .ifMatch(let etag): ["if-match: \"\(etag)\""]
        }
    }
}
