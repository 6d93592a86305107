// The catalog for other engines: Iceberg's REST protocol and Nessie's API over the same branches that SQL uses.
// From here a request goes to its protocol's routes; every answer is a value.

import Catalogs
public import Coordinator
import Diagnostics
public import Iceberg

/// Answers requests of Iceberg REST and Nessie clients.
public struct CatalogAPI: Sendable {
    /// Who may ask, and what is told to clients.
    public struct Options: Sendable {
        /// User names by bearer token.
        public var users: [String: String]
        /// Whether requests from this machine need no token.
        public var trustsLoopback: Bool
        /// Properties that clients need to reach the files: `s3.endpoint` and the like.
        public var storage: [String: String]
        /// The branch of requests that name none.
        public var defaultBranch: String

        public init(
            users: [String: String] = [:], trustsLoopback: Bool = true, storage: [String: String] = [:],
            defaultBranch: String = "main"
        ) {
            self.users = users
            self.trustsLoopback = trustsLoopback
            self.storage = storage
            self.defaultBranch = defaultBranch
        }
    }

    let engine: Engine
    let tables: IcebergFormat
    let options: Options

    public init(engine: Engine, tables: IcebergFormat, options: Options = Options()) {
        self.engine = engine
        self.tables = tables
        self.options = options
    }

    /// Whether a path is one of this interface's.
    public static func serves(_ path: String) -> Bool {
        let first = path.split(separator: "/", maxSplits: 1).first ?? ""
        return ["v1", "iceberg", "api"].contains(first)
    }

    /// Answers one request.
    public func answer(_ request: APIRequest) async -> APIResponse {
        let segments = request.segments
        if segments.first == "api", segments.count >= 2 {
            return await NessieRoutes(api: self, request: request, segments: Array(segments.dropFirst(2)))
                .answer(version: segments[1])
        }
        // /v1/..., /iceberg/v1/..., /iceberg/BRANCH/v1/...
        var rest = segments[...]
        var ref: String?
        if rest.first == "iceberg" {
            rest = rest.dropFirst()
            if rest.first != "v1", let named = rest.popFirst() { ref = named }
        }
        guard rest.popFirst() == "v1" else {
            return .iceberg(SQLError(.protocolViolation, "there is nothing at \"\(request.path)\""), missing: "Table")
        }
        return await IcebergRoutes(api: self, request: request, segments: Array(rest), baseRef: ref).answer()
    }

    /// Who asks. Throws 28000.
    func user(of request: APIRequest) throws(SQLError) -> String {
        let agent = request.headers["user-agent"].map { String($0.prefix(100)) }
        if let header = request.headers["authorization"], header.lowercased().hasPrefix("bearer ") {
            let token = header.dropFirst("bearer ".count).trimming()
            if let user = user(ofToken: token) { return user }
        }
        if isTrusted(request) { return engine.trustedUser(agent ?? "anonymous") }
        throw SQLError(.invalidAuthorization, "a valid bearer token is needed")
    }

    /// Whether a request without a token comes from this machine: from a program on it, not from a web page that a
    /// browser on it shows, and not through a proxy on it.
    func isTrusted(_ request: APIRequest) -> Bool {
        guard request.peer.isLoopback, options.trustsLoopback else { return false }
        return !["origin", "forwarded", "x-forwarded-for"].contains { request.headers[$0] != nil }
    }

    /// Compares with every token in full, so that the time tells nothing.
    func user(ofToken token: String) -> String? {
        var found: String?
        for (known, user) in options.users {
            let (a, b) = (Array(known.utf8), Array(token.utf8))
            var difference: UInt8 = a.count == b.count ? 0 : 1
            for index in a.indices { difference |= a[index] ^ (index < b.count ? b[index] : 0) }
            if difference == 0 { found = user }
        }
        return found
    }

    /// A branch, tag or commit with what may follow it: `dev`, `dev@hash`, `@hash`, `-` for the default branch.
    func ref(_ text: String) throws(SQLError) -> Ref {
        // A slash in a name may come as the separator of namespaces.
        let text = text.replacing("\u{1f}", with: "/")
        if text.isEmpty || text == "-" { return .branch(options.defaultBranch) }
        guard let at = text.firstIndex(of: "@") else { return .named(text) }
        let hash = String(text[text.index(after: at)...])
        if hash.isEmpty { return .named(String(text[..<at])) }
        return .commit(CommitID(hex: hash))
    }
}

extension Substring {
    func trimming() -> String {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
