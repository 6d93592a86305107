// Requests and answers of the catalog's HTTP interfaces as values: no socket, no HTTP library.

public import Coordinator
import Diagnostics
import Iceberg

/// A request as it came.
public struct APIRequest: Sendable {
    public var method: String
    /// Percent-encoded, without the query.
    public var path: String
    /// What follows the question mark.
    public var query: String
    /// By lower-case name.
    public var headers: [String: String]
    public var body: [UInt8]
    public var peer: PeerAddress

    public init(
        method: String, path: String, query: String = "", headers: [String: String] = [:], body: [UInt8] = [],
        peer: PeerAddress
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.peer = peer
    }

    /// The decoded parts of the path.
    var segments: [String] { path.split(separator: "/").map { APIRequest.decoded($0) } }

    /// The parameters of the query, in order.
    var parameters: [(name: String, value: String)] {
        query.split(separator: "&").map { part in
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (
                APIRequest.decoded(sides[0], isQuery: true),
                sides.count > 1 ? APIRequest.decoded(sides[1], isQuery: true) : ""
            )
        }
    }

    func parameter(_ name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// A number parameter within a range, or the standard one.
    func number(_ name: String, in range: ClosedRange<Int>, standard: Int) -> Int {
        guard let value = parameter(name).flatMap({ Int($0) }), value > 0 else { return standard }
        return min(max(value, range.lowerBound), range.upperBound)
    }

    static func decoded(_ text: Substring, isQuery: Bool = false) -> String {
        var out: [UInt8] = []
        var bytes = text.utf8[...]
        while let byte = bytes.popFirst() {
            if byte == UInt8(ascii: "%"), bytes.count >= 2,
                let code = UInt8(String(decoding: bytes.prefix(2), as: UTF8.self), radix: 16)
            {
                out.append(code)
                bytes = bytes.dropFirst(2)
            } else {
                out.append(isQuery && byte == UInt8(ascii: "+") ? 0x20 : byte)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// The body as JSON; an absent one is an empty object.
    func json() throws(SQLError) -> JSON { body.isEmpty ? .object([:]) : try JSON.parsing(request: body) }
}

/// An answer to send.
public struct APIResponse: Sendable {
    public var status: Int
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]

    init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// A JSON document.
    init(_ json: JSON, status: Int = 200, headers: [(name: String, value: String)] = []) {
        self.init(
            status: status, headers: [(name: "Content-Type", value: "application/json")] + headers, body: json.bytes)
    }

    /// Done, and nothing to say.
    static let done = APIResponse(status: 204)

    /// An error as the Iceberg REST specification words it.
    static func iceberg(_ error: SQLError, missing: String) -> APIResponse {
        let (status, type) = kind(of: error, missing: missing)
        var message = error.message
        for more in [error.detail, error.hint] {
            if let more { message += (message.hasSuffix(".") ? " " : ". ") + more }
        }
        let body: JSON = ["error": ["message": .string(message), "type": .string(type), "code": .int(status)]]
        return APIResponse(body, status: status)
    }

    /// `missing`: what a name that is not there would have been.
    private static func kind(of error: SQLError, missing: String) -> (status: Int, type: String) {
        switch error.state.code {
        case "28000", "28P01": (401, "NotAuthorizedException")
        case "42501": (403, "ForbiddenException")
        case "3F000": (404, "NoSuchNamespaceException")
        case "42P01": (404, "NoSuch\(missing)Exception")
        case "42704": (404, "NoSuchNamespaceException")
        case "08P01": (404, "NotFoundException")
        case "0A000": (406, "UnsupportedOperationException")
        case "42P06", "42P07", "42710": (409, "AlreadyExistsException")
        case "40001": (409, "CommitFailedException")
        case "2BP01": (409, "NamespaceNotEmptyException")
        // Files of the commit must stay: it may have happened.
        case "08007": (500, "CommitStateUnknownException")
        case let code where ["22", "42", "2B", "23", "58"].contains(code.prefix(2)) && code != "58030":
            (400, "BadRequestException")
        case let code where ["53", "57"].contains(code.prefix(2)): (503, "ServiceUnavailableException")
        default: (500, "InternalServerError")
        }
    }
}
