// A proxy in front of an S3 server that writes down every request, and can misbehave.
import Foundation
import Glibc
import Synchronization

/// Passes requests without bodies on to a server on loopback.
public final class S3Proxy: Sendable {
    public enum Mood: Sendable {
        case honest
        /// Takes requests and never answers.
        case silent
        /// Answers listings only.
        case silentReads
        /// Lists objects that are gone when they are read.
        case forgetful
        /// Answers so many requests with this status, or with a reset connection (nil), and is honest then.
        case failing(Int, status: String?)
    }

    /// A request as the server saw it.
    public struct Request: Sendable, Hashable {
        public var method: String
        public var path: String
        /// Of a listing.
        public var prefix: String?
    }

    public let port: Int
    private let target: Int
    private let listener: Int32
    private let state = Mutex((mood: Mood.honest, requests: [Request]()))

    public init?(to target: Int) {
        self.target = target
        guard let (socket, port) = Loopback.listening() else { return nil }
        (listener, self.port) = (socket, port)
        Loopback.serveEach(of: socket) { [self] client in serve(client) }
    }

    public var endpoint: String { "http://127.0.0.1:\(port)" }
    public func behave(_ mood: Mood) { state.withLock { $0.mood = mood } }
    public var requests: [Request] { state.withLock { $0.requests } }
    public func forget() { state.withLock { $0.requests = [] } }
    public func stop() { _ = shutdown(listener, Int32(SHUT_RDWR)) }

    private func serve(_ client: Int32) {
        defer { close(client) }
        var buffer: [UInt8] = []
        while let head = S3Proxy.head(&buffer, from: client) {
            let request = S3Proxy.request(head)
            let mood = state.withLock { state -> Mood in
                state.requests.append(request)
                let mood = state.mood
                if case .failing(let count, let status) = mood {
                    state.mood = count > 1 ? .failing(count - 1, status: status) : .honest
                }
                return mood
            }
            switch mood {
            case .honest: guard pass(head, to: client) else { return }
            case .silentReads where request.prefix != nil: guard pass(head, to: client) else { return }
            case .silent, .silentReads:
                while !Loopback.receive(from: client).isEmpty {}
                return
            case .forgetful:
                guard request.prefix == nil else {
                    guard pass(head, to: client) else { return }
                    continue
                }
                guard S3Proxy.answer("404 Not Found", to: client) else { return }
            case .failing(_, nil): return
            case .failing(_, let status?):
                guard S3Proxy.answer(status, to: client) else { return }
            }
        }
    }

    /// One request on a connection of its own; false when the client's connection is of no more use.
    private func pass(_ head: String, to client: Int32) -> Bool {
        guard let server = Loopback.connect(port: target) else { return false }
        defer { close(server) }
        let once = head.replacing("\r\n\r\n", with: "\r\nConnection: close\r\n\r\n")
        guard Loopback.send(Array(once.utf8)[...], to: server) else { return false }
        while true {
            let part = Loopback.receive(from: server)
            // The end of the answer is the end of the connection.
            guard !part.isEmpty else { return false }
            guard Loopback.send(part[...], to: client) else { return false }
        }
    }

    private static func answer(_ status: String, to client: Int32) -> Bool {
        Loopback.send(Array("HTTP/1.1 \(status)\r\nContent-Length: 0\r\n\r\n".utf8)[...], to: client)
    }

    private static func head(_ buffer: inout [UInt8], from client: Int32) -> String? {
        while true {
            let text = String(decoding: buffer, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let head = String(text[..<end.upperBound])
                buffer.removeFirst(head.utf8.count)
                return head
            }
            let part = Loopback.receive(from: client)
            guard !part.isEmpty else { return nil }
            buffer += part
        }
    }

    private static func request(_ head: String) -> Request {
        let words = head.prefix { $0 != "\r\n" }.split(separator: " ").map(String.init)
        let parts = URLComponents(string: words.count > 1 ? words[1] : "")
        let prefix = parts?.queryItems?.first { $0.name == "prefix" }?.value
        return Request(method: words.first ?? "", path: parts?.path ?? "", prefix: prefix)
    }
}
