// What the answer to a ranged GET holds, and how the parts of one read come together.

import Diagnostics
import Foundation
import Synchronization

/// Where the bytes asked for lie in the body of an answer.
enum Extent {
    /// After so many bytes of the body.
    case here(skip: Int64)
    /// The object has only so many bytes.
    case tooShort(sizeBytes: Int64)
    case wrong(String)

    /// Compares what was asked with what status and headers say. Some servers answer ranges with status 200:
    /// with a Content-Range the body is the range, without one it is the whole object.
    init(_ head: HTTPHead, asked: Range<Int64>) {
        if let text = head["content-range"] {
            guard let range = ContentRange(text) else {
                self = .wrong("the server sent an unreadable Content-Range")
                return
            }
            if let length = head.contentLength, length != range.upper - range.lower {
                self = .wrong("the server's Content-Range and Content-Length do not fit together")
            } else if let total = range.total, total < asked.upperBound {
                self = .tooShort(sizeBytes: total)
            } else if range.lower == asked.lowerBound, range.upper == asked.upperBound {
                self = .here(skip: 0)
            } else {
                self = .wrong("the server sent other bytes than asked for")
            }
        } else if head.status == 200, let size = head.contentLength {
            if size < asked.upperBound {
                self = .tooShort(sizeBytes: size)
            } else if asked.lowerBound > S3Store.skipBytesMax {
                self = .wrong("the server does not answer ranges")
            } else {
                self = .here(skip: asked.lowerBound)
            }
        } else {
            self = .wrong("the server does not say which bytes it sent")
        }
    }
}

/// Takes the end of an object whose size only the answer tells.
final class SuffixTarget: Sendable {
    private struct Taken {
        var bytes: Bytes
        var sizeBytes: Int64
    }
    private let bytesMax: Int
    /// Written by each attempt anew.
    private let taken = Mutex<Taken?>(nil)

    init(_ bytesMax: Int) { self.bytesMax = bytesMax }

    func plan(_ head: HTTPHead) -> BodyPlan {
        taken.withLock { $0 = nil }
        guard let extent = SuffixTarget.extent(head, bytesMax), let bytes = try? Bytes(unfilled: extent.count) else {
            return .refuse
        }
        taken.withLock { $0 = Taken(bytes: bytes, sizeBytes: extent.sizeBytes) }
        return .window(skip: extent.skip, count: extent.count, target: bytes, offset: 0)
    }

    func check(_ response: HTTPResponse) -> S3Verdict {
        guard let extent = SuffixTarget.extent(response.head, bytesMax) else {
            return .again("the server does not say which bytes it sent")
        }
        // An empty object sent as a whole has no body that could have been planned for.
        if extent.count == 0 { return .good }
        return response.windowBytes == extent.count
            ? .good : .again("the body ended after \(response.windowBytes) of \(extent.count) bytes")
    }

    /// The bytes and the size of the whole object.
    func result(_ response: HTTPResponse) -> (bytes: Bytes, sizeBytes: Int64)? {
        guard let extent = SuffixTarget.extent(response.head, bytesMax) else { return nil }
        if extent.count == 0 { return (.empty, extent.sizeBytes) }
        return taken.withLock { taken in
            taken.flatMap { $0.bytes.count == response.windowBytes ? ($0.bytes, $0.sizeBytes) : nil }
        }
    }

    private static func extent(
        _ head: HTTPHead, _ bytesMax: Int
    ) -> (skip: Int64, count: Int, sizeBytes: Int64)? {
        if let text = head["content-range"] {
            guard let range = ContentRange(text), let total = range.total, range.upper == total,
                range.upper - range.lower == min(Int64(bytesMax), total),
                (head.contentLength ?? (range.upper - range.lower)) == range.upper - range.lower
            else { return nil }
            return (0, Int(range.upper - range.lower), total)
        }
        guard head.status == 200, let size = head.contentLength else { return nil }
        let count = min(Int64(bytesMax), size)
        guard size - count <= S3Store.skipBytesMax else { return nil }
        return (size - count, Int(count), size)
    }
}

/// Waits for all parts of one read, and calls back once: when all are there, or at the first failure.
final class Gathering: Sendable {
    private struct State {
        var left: Int
        var etag: String?
        var isDone = false
    }
    private let targets: [Bytes]
    private let path: ObjectPath
    private let done: Done<[Bytes]>
    private let state: Mutex<State>

    init(_ targets: [Bytes], _ path: ObjectPath, parts: Int, _ done: @escaping Done<[Bytes]>) {
        self.targets = targets
        self.path = path
        self.done = done
        state = Mutex(State(left: parts))
    }

    func take(_ result: Result<HTTPResponse, SQLError>) {
        let outcome: Result<[Bytes], SQLError>? = state.withLock { state in
            guard !state.isDone else { return nil }
            switch result {
            case .failure(let error):
                state.isDone = true
                return .failure(error)
            case .success(let response):
                let etag = response.head["etag"]
                if let known = state.etag, let etag, known != etag {
                    state.isDone = true
                    return .failure(replacedError(path))
                }
                state.etag = state.etag ?? etag
                state.left -= 1
                guard state.left == 0 else { return nil }
                state.isDone = true
                return .success(targets)
            }
        }
        if let outcome { done(outcome) }
    }
}
