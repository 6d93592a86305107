// Talks to an Iceberg REST catalog: the handshake, requests with JSON, and what its errors mean in SQL.

import Diagnostics
import Foundation
import Storage

/// A connection to one REST catalog, at one prefix.
struct RestClient: Sendable {
    private let web: WebClient
    private let base: String
    private let prefix: String
    private let token: String?

    /// Options of ATTACH.
    private static let known: Set<String> = [
        "warehouse", "token", "credential", "prefix", "branch", "oauth2_server_uri",
    ]
    /// Times that a request is sent while nobody is reached.
    private static let triesMax = 3
    private static let pauseMilliseconds = 200
    /// Characters of a foreign message that are told.
    private static let messageMax = 1_000

    /// Asks for the configuration.
    init(_ location: String, options: [String: String]) async throws(SQLError) {
        if let unknown = options.keys.sorted().first(where: { !RestClient.known.contains($0) }) {
            throw SQLError(
                .invalidParameterValue, "option \"\(unknown)\" of ATTACH is not known",
                hint: "Options are: \(RestClient.known.sorted().joined(separator: ", ")).")
        }
        guard location.hasPrefix("http://") || location.hasPrefix("https://") else {
            throw SQLError(.invalidParameterValue, "an Iceberg REST catalog is attached by its http:// or https:// URI")
        }
        var base = location
        while base.hasSuffix("/") { base.removeLast() }
        if base.hasSuffix("/v1") { base.removeLast(3) }
        let web = WebClient()
        var token = options["token"]
        if let credential = options["credential"] {
            let server = options["oauth2_server_uri"] ?? base + "/v1/oauth/tokens"
            token = try await RestClient.token(credential, from: server, web)
        }
        self.web = web
        self.base = base
        self.token = token
        let query = options["warehouse"].map { "?warehouse=\(RestClient.escaped($0))" } ?? ""
        let answer = try await RestClient.send("GET", base + "/v1/config" + query, nil, token, web)
        guard answer.status == 200 else { throw RestClient.error(answer, "configuration of \(location)") }
        let document = try JSON.parsing(request: answer.body)
        let found = document["overrides"]?["prefix"]?.asString ?? document["defaults"]?["prefix"]?.asString
        var prefix = options["prefix"] ?? found ?? ""
        if let branch = options["branch"] {
            // Nessie's form, which others than Nessie take as well: the part before the bar is the branch.
            let warehouse = found.flatMap { $0.firstIndex(of: "|").map { bar in String(found?[bar...] ?? "") } } ?? ""
            prefix = branch + warehouse
        }
        self.prefix = prefix
    }

    private static func token(_ credential: String, from server: String, _ web: WebClient) async throws(SQLError)
        -> String
    {
        let parts = credential.split(separator: ":", maxSplits: 1).map(String.init)
        guard let secret = parts.last else { throw SQLError(.invalidParameterValue, "credential is empty") }
        var form = "grant_type=client_credentials&scope=catalog&client_secret=\(escaped(secret))"
        if parts.count == 2 { form += "&client_id=\(escaped(parts[0]))" }
        let answer = try await web.send(
            "POST", server, headers: ["content-type: application/x-www-form-urlencoded"], body: Array(form.utf8))
        guard answer.status == 200, let token = try JSON.parsing(request: answer.body)["access_token"]?.asString else {
            throw SQLError(.invalidAuthorization, "\"\(server)\" gives no token for the credential")
        }
        return token
    }

    static func escaped(_ text: String) -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        return text.unicodeScalars.allSatisfy { allowed.contains($0) && $0.isASCII }
            ? text
            : text.utf8.map { byte in
                let scalar = Unicode.Scalar(byte)
                let isPlain = byte < 128 && allowed.contains(scalar)
                return isPlain
                    ? String(scalar) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }.joined()
    }

    /// Sends a request below the prefix: nil for 404 with `missing` allowed.
    func ask(
        _ method: String, _ path: String, _ body: JSON? = nil, about what: String, isMissingAllowed: Bool = false
    ) async throws(SQLError) -> JSON? {
        let place = prefix.isEmpty ? "/v1/" : "/v1/\(RestClient.escaped(prefix))/"
        let answer = try await RestClient.send(method, base + place + path, body, token, web)
        if answer.status == 404, isMissingAllowed { return nil }
        guard (200..<300).contains(answer.status) else { throw RestClient.error(answer, what) }
        return answer.body.isEmpty ? .object([:]) : try JSON.parsing(request: answer.body)
    }

    private static func send(
        _ method: String, _ url: String, _ body: JSON?, _ token: String?, _ web: WebClient
    ) async throws(SQLError) -> WebClient.Answer {
        var headers = ["accept: application/json", "user-agent: apus"]
        if let token { headers.append("authorization: Bearer \(token)") }
        if body != nil { headers.append("content-type: application/json") }
        var tries = 1
        while true {
            do throws(SQLError) {
                return try await web.send(method, url, headers: headers, body: body?.bytes ?? [])
            } catch {
                // Only what has certainly not happened, or may happen twice, is sent again.
                let isHarmless = error.state.code == "08001" || method == "GET" && error.state == .connectionFailure
                guard isHarmless, tries < triesMax else { throw error }
                tries += 1
                try? await Task.sleep(for: .milliseconds(pauseMilliseconds))
            }
        }
    }

    private static func error(_ answer: WebClient.Answer, _ what: String) -> SQLError {
        let document = (try? JSON.parsing(request: answer.body))?["error"]
        let text = document?["message"]?.asString ?? "status \(answer.status)"
        let message = "\(what): \(text.prefix(messageMax))"
        let type = document?["type"]?.asString ?? ""
        switch answer.status {
        case 400, 406, 422: return SQLError(.featureNotSupported, message)
        case 401, 419: return SQLError(.invalidAuthorization, message)
        case 403: return SQLError(.insufficientPrivilege, message)
        case 404: return SQLError(type.contains("Namespace") ? .invalidSchema : .undefinedTable, message)
        case 409 where type.contains("AlreadyExists"): return SQLError(.duplicateTable, message)
        case 409 where type.contains("NotEmpty"): return SQLError(SQLState("2BP01"), message)
        case 409: return SQLError(.serializationFailure, message)
        case 429, 503: return SQLError(.cannotConnectNow, message)
        // Whether a commit has happened is not known.
        default: return SQLError(SQLState("08007"), message)
        }
    }
}
