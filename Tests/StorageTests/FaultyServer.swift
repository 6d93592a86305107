// A tiny HTTP server that answers as it is told, wrongly most of the time.

import Foundation
import Synchronization

/// Serves one object, in ways the closure decides.
final class FaultyServer: Sendable {
    struct Request: Sendable {
        var method: String
        var target: String
        /// Names in lower case.
        var headers: [String: String]
        /// Counts from 0 for each method and target.
        var attempt: Int

        /// The range asked for, cut to an object of `size` bytes.
        func range(_ size: Int) -> Range<Int>? {
            guard let text = headers["range"]?.dropFirst("bytes=".count) else { return nil }
            let ends = text.split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count == 2, let last = Int(ends[1]) else { return nil }
            guard let first = Int(ends[0]) else { return max(0, size - last)..<size }
            return first..<min(last + 1, size)
        }
    }

    struct Reply: Sendable {
        var status = "200 OK"
        var headers: [String] = []
        var body: [UInt8] = []
        /// What Content-Length says, if not the truth.
        var claimedLength: Int?
        /// Close without any answer.
        var hangsUp = false
    }

    let port: Int
    private let listener: Int32
    private let counts = Mutex<[String: Int]>([:])
    private let reply: @Sendable (Request) -> Reply

    init(_ reply: @escaping @Sendable (Request) -> Reply) {
        self.reply = reply
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        port = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = bind(listener, generic, length)
                _ = listen(listener, 64)
                _ = getsockname(listener, generic, &length)
            }
            return Int(UInt16(bigEndian: pointer.pointee.sin_port))
        }
        Thread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                Thread { [self] in serve(connection) }.start()
            }
        }.start()
    }

    func stop() { _ = shutdown(listener, Int32(SHUT_RDWR)) }

    private func serve(_ connection: Int32) {
        defer { close(connection) }
        var buffer: [UInt8] = []
        while true {
            let head: String
            while true {
                let text = String(decoding: buffer, as: UTF8.self)
                if let end = text.range(of: "\r\n\r\n") {
                    head = String(text[..<end.lowerBound])
                    buffer.removeFirst(head.utf8.count + 4)
                    break
                }
                var part = [UInt8](repeating: 0, count: 4096)
                let count = recv(connection, &part, part.count, 0)
                guard count > 0 else { return }
                buffer.append(contentsOf: part[..<count])
            }
            guard answer(connection, head) else { return }
        }
    }

    private func answer(_ connection: Int32, _ head: String) -> Bool {
        let lines = head.components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ").map(String.init)
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] =
                line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        let attempt = counts.withLock { counts in
            counts[words[0] + words[1], default: -1] += 1
            return counts[words[0] + words[1]] ?? 0
        }
        let reply = reply(Request(method: words[0], target: words[1], headers: headers, attempt: attempt))
        if reply.hangsUp { return false }
        var text = "HTTP/1.1 \(reply.status)\r\n"
        for header in reply.headers { text += header + "\r\n" }
        text += "Content-Length: \(reply.claimedLength ?? reply.body.count)\r\n\r\n"
        let bytes = Array(text.utf8) + (words[0] == "HEAD" ? [] : reply.body)
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                send(connection, raw.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return reply.claimedLength == nil
    }
}
