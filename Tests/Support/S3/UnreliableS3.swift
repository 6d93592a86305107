// An S3 server over objects in memory that fails as a seed tells it: what happens to a request depends on the seed, the
// request and how often it came, not on the order in which threads run.
import Foundation
import Glibc
import Synchronization

/// Answers GET, HEAD and ListObjectsV2, rightly or not.
public final class UnreliableS3: Sendable {
    /// An object, and the one that takes its place in the course of a schedule.
    public struct Object: Sendable {
        public var bytes: [UInt8]
        public var etag: String
        /// What it is replaced with, by the seed; nil: it stays.
        public var next: [UInt8]?
        public init(_ bytes: [UInt8], next: [UInt8]? = nil) {
            self.bytes = bytes
            self.next = next
            etag = UnreliableS3.tag(bytes)
        }
    }

    /// How a server behaves for a while.
    public struct Schedule: Sendable {
        public var seed: UInt64
        /// Requests of a thousand that something happens to.
        public var faults: Int
        /// Whether the server looks at If-Match.
        public var knowsIfMatch: Bool
        /// Objects of a thousand that are replaced, or deleted, once they were listed.
        public var changes: Int
        /// Whether nothing ever happens.
        public static let honest = Schedule(seed: 0, faults: 0, knowsIfMatch: true, changes: 0)
        public init(seed: UInt64, faults: Int, knowsIfMatch: Bool, changes: Int) {
            self.seed = seed
            self.faults = faults
            self.knowsIfMatch = knowsIfMatch
            self.changes = changes
        }
    }

    private enum Fault: CaseIterable {
        case late, veryLate, slowDown, tooMany, internalError, unavailable, hangUp, reset, cut, resetInside, stall
        case shortLength, otherRange, whole, noRange, page, forbidden
    }

    private struct State {
        var objects: [String: Object]
        var schedule = Schedule.honest
        var attempts: [String: Int] = [:]
        var connections = 0
        var requests = 0
        var faults = 0
    }

    public let port: Int
    private let listener: Int32
    private let state: Mutex<State>
    private static let keysAPage = 7

    public init?(_ objects: [String: Object]) {
        guard let (socket, port) = Loopback.listening() else { return nil }
        state = Mutex(State(objects: objects))
        (listener, self.port) = (socket, port)
        Loopback.serveEach(of: socket) { [self] client in
            state.withLock { $0.connections += 1 }
            serve(client)
            close(client)
            state.withLock { $0.connections -= 1 }
        }
    }

    public var endpoint: String { "http://127.0.0.1:\(port)" }
    /// Connections that clients keep open.
    public var connections: Int { state.withLock { $0.connections } }
    public var requests: Int { state.withLock { $0.requests } }
    public var faults: Int { state.withLock { $0.faults } }
    public func stop() { _ = shutdown(listener, Int32(SHUT_RDWR)) }

    /// Begins a schedule with these objects.
    public func begin(_ schedule: Schedule, _ objects: [String: Object]) {
        state.withLock { state in
            state.schedule = schedule
            state.objects = objects
            state.attempts = [:]
        }
    }

    // MARK: - Requests

    private struct Request {
        var method: String
        /// Bucket and key.
        var path: String
        var query: [String: String]
        var headers: [String: String]
    }

    private func serve(_ client: Int32) {
        var buffer: [UInt8] = []
        while let request = UnreliableS3.request(&buffer, from: client) {
            guard answer(request, client) else { return }
        }
    }

    private static func request(_ buffer: inout [UInt8], from client: Int32) -> Request? {
        while true {
            let text = String(decoding: buffer, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let head = String(text[..<end.lowerBound])
                buffer.removeFirst(head.utf8.count + 4)
                return request(head)
            }
            let part = Loopback.receive(from: client)
            guard !part.isEmpty else { return nil }
            buffer += part
        }
    }

    private static func request(_ head: String) -> Request? {
        let lines = head.components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ").map(String.init)
        guard words.count >= 2, let parts = URLComponents(string: words[1]) else { return nil }
        var request = Request(method: words[0], path: String(parts.path.dropFirst()), query: [:], headers: [:])
        for item in parts.queryItems ?? [] { request.query[item.name] = item.value ?? "" }
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            request.headers[line[..<colon].lowercased()] = value
        }
        return request
    }

    /// Numbers that depend on the seed and what is asked.
    private static func draw(_ seed: UInt64, _ text: String) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325 ^ (seed &* 0x9E37_79B9_7F4A_7C15)
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        hash ^= hash >> 31
        hash = hash &* 0xBF58_476D_1CE4_E5B9
        return hash ^ (hash >> 29)
    }

    fileprivate static func tag(_ bytes: [UInt8]) -> String {
        var hasher = Hasher()
        bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
        return String(UInt64(bitPattern: Int64(hasher.finalize())), radix: 16)
    }

    private func answer(_ request: Request, _ client: Int32) -> Bool {
        let name =
            request.method + request.path + (request.headers["range"] ?? "")
            + (request.query["prefix"] ?? "") + (request.query["continuation-token"] ?? "")
            + (request.query["start-after"] ?? "")
        let (fault, schedule) = state.withLock { state -> (Fault?, Schedule) in
            state.requests += 1
            let attempt = state.attempts[name, default: 0]
            state.attempts[name] = attempt + 1
            let drawn = UnreliableS3.draw(state.schedule.seed, name + "#\(attempt)")
            guard drawn % 1_000 < UInt64(state.schedule.faults) else { return (nil, state.schedule) }
            state.faults += 1
            return (Fault.allCases[Int((drawn >> 20) % UInt64(Fault.allCases.count))], state.schedule)
        }
        switch fault {
        case .late: Thread.sleep(forTimeInterval: 0.02)
        case .veryLate: Thread.sleep(forTimeInterval: 0.4)
        case .slowDown: return error("503 Slow Down", "SlowDown", to: client)
        case .tooMany: return error("429 Too Many Requests", "TooManyRequests", to: client)
        case .internalError: return error("500 Internal Server Error", "InternalError", to: client)
        case .unavailable:
            _ = Loopback.send(Array("HTTP/1.1 502 Bad Gateway\r\n\r\n".utf8)[...], to: client)
            return false
        case .hangUp: return false
        case .reset:
            UnreliableS3.resetAtClose(client)
            return false
        case .forbidden where drawnRarely(name): return error("403 Forbidden", "AccessDenied", to: client)
        default: break
        }
        let isList = request.query["list-type"] != nil
        let reply = isList ? list(request, schedule) : object(request, schedule, fault)
        return send(reply, fault, isHead: request.method == "HEAD", to: client)
    }

    private func drawnRarely(_ name: String) -> Bool { UnreliableS3.draw(1, name) % 4 == 0 }

    private static func resetAtClose(_ client: Int32) {
        var linger = linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
    }

    private func error(_ status: String, _ code: String, to client: Int32) -> Bool {
        let body = "<Error><Code>\(code)</Code><Message>as the seed wants it</Message></Error>"
        let head = "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
        return Loopback.send(Array((head + body).utf8)[...], to: client)
    }

    // MARK: - Answers

    private struct Reply {
        var status = "200 OK"
        var headers: [String] = []
        var body: [UInt8] = []
    }

    private func list(_ request: Request, _ schedule: Schedule) -> Reply {
        let bucket = request.path.split(separator: "/").first.map(String.init) ?? ""
        let prefix = bucket + "/" + (request.query["prefix"] ?? "")
        let all = state.withLock { $0.objects.filter { $0.key.hasPrefix(prefix) } }.sorted { $0.key < $1.key }
        var lines: [(name: String, text: String)] = []
        var folders: Set<String> = []
        for (path, object) in all {
            let rest = path.dropFirst(prefix.count)
            if request.query["delimiter"] == "/", let slash = rest.firstIndex(of: "/") {
                let folder = prefix.dropFirst(bucket.count + 1) + rest[...slash]
                if folders.insert(String(folder)).inserted {
                    let name = UnreliableS3.encode(String(folder))
                    lines.append((String(folder), "<CommonPrefixes><Prefix>\(name)</Prefix></CommonPrefixes>"))
                }
                continue
            }
            let key = String(path.dropFirst(bucket.count + 1))
            lines.append(
                (
                    key,
                    "<Contents><Key>\(UnreliableS3.encode(key))</Key>"
                        + "<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;\(object.etag)&quot;</ETag>"
                        + "<Size>\(object.bytes.count)</Size></Contents>"
                ))
        }
        let start = request.query["continuation-token"]?.removingPercentEncoding ?? request.query["start-after"] ?? ""
        let rest = lines.drop { !start.utf8.lexicographicallyPrecedes($0.name.utf8) }
        let page = rest.prefix(UnreliableS3.keysAPage)
        let isMore = page.count < rest.count
        var body = "<?xml version=\"1.0\"?><ListBucketResult><EncodingType>url</EncodingType>"
        body += "<IsTruncated>\(isMore)</IsTruncated>"
        if isMore, let last = page.last?.name {
            body += "<NextContinuationToken>\(UnreliableS3.encode(last))</NextContinuationToken>"
        }
        body += page.map(\.text).joined() + "</ListBucketResult>"
        // What was listed may be gone or another object from now on.
        change(all.map(\.key), schedule)
        return Reply(body: Array(body.utf8))
    }

    private static func encode(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
    }

    private func change(_ paths: [String], _ schedule: Schedule) {
        guard schedule.changes > 0 else { return }
        for path in paths where UnreliableS3.draw(schedule.seed &+ 1, path) % 1_000 < UInt64(schedule.changes) {
            state.withLock { state in
                guard let object = state.objects[path], let next = object.next else { return }
                state.objects[path] = next.isEmpty ? nil : Object(next)
            }
        }
    }

    private func object(_ request: Request, _ schedule: Schedule, _ fault: Fault?) -> Reply {
        guard let object = state.withLock({ $0.objects[request.path] }) else {
            return Reply(status: "404 Not Found", body: Array("<Error><Code>NoSuchKey</Code></Error>".utf8))
        }
        if schedule.knowsIfMatch, let wanted = request.headers["if-match"], wanted != "\"\(object.etag)\"" {
            return Reply(
                status: "412 Precondition Failed", body: Array("<Error><Code>PreconditionFailed</Code></Error>".utf8))
        }
        var reply = Reply()
        reply.headers = ["ETag: \"\(object.etag)\"", "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT"]
        guard let range = UnreliableS3.range(request, object.bytes.count), fault != .whole else {
            reply.body = object.bytes
            return reply
        }
        reply.status = "206 Partial Content"
        reply.body = Array(object.bytes[range])
        switch fault {
        case .noRange: break
        case .otherRange:
            let other = max(0, range.lowerBound - 5)
            reply.headers.append("Content-Range: bytes \(other)-\(other + range.count - 1)/\(object.bytes.count)")
            reply.body = Array(object.bytes[other..<other + range.count])
        default:
            reply.headers.append(
                "Content-Range: bytes \(range.lowerBound)-\(range.upperBound - 1)/\(object.bytes.count)")
        }
        return reply
    }

    private static func range(_ request: Request, _ size: Int) -> Range<Int>? {
        guard let text = request.headers["range"]?.dropFirst("bytes=".count) else { return nil }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let last = Int(ends[1]) else { return nil }
        guard let first = Int(ends[0]) else { return max(0, size - last)..<size }
        guard first < size else { return nil }
        return first..<min(last + 1, size)
    }

    /// Sends an answer, or what the fault leaves of it; false when the connection is of no more use.
    private func send(_ reply: Reply, _ fault: Fault?, isHead: Bool, to client: Int32) -> Bool {
        var body = reply.body
        let half = body.count / 2
        var claimed = body.count
        var isOver = false
        switch fault {
        case .cut where !isHead && half > 0, .resetInside where !isHead && half > 0, .stall where !isHead && half > 0:
            body = Array(body[..<half])
            isOver = true
        case .shortLength where !isHead && body.count > 10:
            body = Array(body.dropLast(7))
            claimed = body.count
        case .page where !isHead:
            body = Array("<html>the gateway is tired</html>".utf8)
            claimed = body.count
        default: break
        }
        var head = "HTTP/1.1 \(reply.status)\r\n"
        for header in reply.headers { head += header + "\r\n" }
        head += "Content-Length: \(claimed)\r\n\r\n"
        guard Loopback.send((Array(head.utf8) + (isHead ? [] : body))[...], to: client) else { return false }
        if isOver, fault == .resetInside { UnreliableS3.resetAtClose(client) }
        // Until the client has had enough.
        if isOver, fault == .stall { while !Loopback.receive(from: client).isEmpty {} }
        return !isOver
    }
}
