// Where the S3 server is and who asks: from the environment and the files of the AWS tools.

import Foundation

/// How to reach an S3 server. Its description never shows a secret.
public struct S3Configuration: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    /// `https://host[:port]`; nil for Amazon's own.
    public var endpoint: String?
    public var region: String
    /// `endpoint/bucket/key` instead of `bucket.endpoint/key`.
    public var pathStyle: Bool
    public var accessKey: String
    public var secretKey: String
    public var sessionToken: String?
    /// Where the three come from, and come anew when they have expired.
    public var credentials = CredentialOrigin.given
    /// Do not sign: public buckets.
    public var anonymous: Bool
    /// Requests in flight at one time; others wait.
    public var connectionsMax: Int
    public var connectTimeoutMilliseconds: Int
    /// A transfer that moves no byte for this long is sent again.
    public var stallTimeoutSeconds: Int
    /// One request, its body included.
    public var requestTimeoutMilliseconds: Int
    /// A read or a listing, sent as often as need be, has failed after this long; the wait for a free connection does
    /// not count.
    public var operationTimeoutMilliseconds = 120_000
    /// How often a failed request is sent again.
    public var retriesMax: Int
    /// Whether reads whose answers are late are sent a second time.
    public var hedges = true
    /// Certificates to trust instead of the system's.
    public var certificateFile: String?

    public init(
        endpoint: String? = nil, region: String = "us-east-1", pathStyle: Bool? = nil, accessKey: String = "",
        secretKey: String = "", sessionToken: String? = nil, anonymous: Bool? = nil, connectionsMax: Int = 64,
        connectTimeoutMilliseconds: Int = 5_000, stallTimeoutSeconds: Int = 30,
        requestTimeoutMilliseconds: Int = 600_000, retriesMax: Int = 8, certificateFile: String? = nil
    ) {
        self.endpoint = endpoint.map(S3Configuration.tidy)
        self.region = region
        self.pathStyle = pathStyle ?? (endpoint != nil)
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
        self.anonymous = anonymous ?? accessKey.isEmpty
        self.connectionsMax = max(1, connectionsMax)
        self.connectTimeoutMilliseconds = max(1, connectTimeoutMilliseconds)
        self.stallTimeoutSeconds = max(1, stallTimeoutSeconds)
        self.requestTimeoutMilliseconds = max(1, requestTimeoutMilliseconds)
        self.retriesMax = max(0, retriesMax)
        self.certificateFile = certificateFile
    }

    /// Reads the environment: `APUS_S3_*` first, then `AWS_*`, then the profile in `~/.aws`.
    public init(environment given: [String: String]? = nil) {
        let environment = given ?? ProcessInfo.processInfo.environment
        func value(_ names: String...) -> String? {
            for name in names {
                if let value = environment[name], !value.isEmpty { return value }
            }
            return nil
        }
        func number(_ name: String, _ standard: Int) -> Int { value(name).flatMap { Int($0) } ?? standard }
        func flag(_ name: String) -> Bool? {
            value(name).map { ["1", "true", "on", "yes"].contains($0.lowercased()) }
        }
        let profile = S3Configuration.profile(environment)
        let origin = S3Configuration.origin(environment, profile)
        let ownKey = value("APUS_S3_ACCESS_KEY_ID") ?? value("AWS_ACCESS_KEY_ID")
        // The three credentials come from one place: a key with another place's token would never fit.
        var access = profile["aws_access_key_id"] ?? ""
        var secret = profile["aws_secret_access_key"] ?? ""
        var token = profile["aws_session_token"]
        if case .webIdentity = origin { (access, secret, token) = ("", "", nil) }
        if let ownKey {
            let isOwn = value("APUS_S3_ACCESS_KEY_ID") != nil
            access = ownKey
            secret = (isOwn ? value("APUS_S3_SECRET_ACCESS_KEY") : value("AWS_SECRET_ACCESS_KEY")) ?? ""
            token = isOwn ? value("APUS_S3_SESSION_TOKEN") : value("AWS_SESSION_TOKEN")
        }
        self.init(
            endpoint: value("APUS_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
                ?? profile["endpoint_url"],
            region: value("APUS_S3_REGION", "AWS_REGION", "AWS_DEFAULT_REGION") ?? profile["region"] ?? "us-east-1",
            pathStyle: flag("APUS_S3_PATH_STYLE"), accessKey: access, secretKey: secret, sessionToken: token,
            anonymous: flag("APUS_S3_ANONYMOUS") ?? (access.isEmpty && origin == .given),
            connectionsMax: number("APUS_S3_CONNECTIONS_MAX", 64),
            connectTimeoutMilliseconds: number("APUS_S3_CONNECT_TIMEOUT_MS", 5_000),
            stallTimeoutSeconds: number("APUS_S3_STALL_TIMEOUT_S", 30),
            requestTimeoutMilliseconds: number("APUS_S3_REQUEST_TIMEOUT_MS", 600_000),
            retriesMax: number("APUS_S3_RETRIES_MAX", 8),
            certificateFile: value("APUS_S3_CA_FILE", "AWS_CA_BUNDLE"))
        credentials = origin
        operationTimeoutMilliseconds = max(1, number("APUS_S3_OPERATION_TIMEOUT_MS", 120_000))
        hedges = flag("APUS_S3_HEDGES") ?? true
    }

    /// Where keys come from: the first of the places that AWS's tools look into.
    private static func origin(_ environment: [String: String], _ profile: [String: String]) -> CredentialOrigin {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if value("APUS_S3_ACCESS_KEY_ID") != nil || value("AWS_ACCESS_KEY_ID") != nil { return .given }
        if let tokenFile = value("AWS_WEB_IDENTITY_TOKEN_FILE"), let role = value("AWS_ROLE_ARN") {
            let region = value("AWS_REGION") ?? value("AWS_DEFAULT_REGION") ?? profile["region"]
            let usual = region.map { "https://sts.\($0).amazonaws.com" } ?? "https://sts.amazonaws.com"
            return .webIdentity(
                tokenFile: tokenFile, role: role, session: value("AWS_ROLE_SESSION_NAME") ?? "apus",
                endpoint: tidy(value("AWS_ENDPOINT_URL_STS") ?? usual))
        }
        if profile["aws_access_key_id"] != nil {
            let (name, credentials, configuration) = profileFiles(environment)
            return .profile(name: name, credentialsFile: credentials, configurationFile: configuration)
        }
        let token = value("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        let tokenFile = value("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        if let path = value("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            return .container(url: "http://169.254.170.2" + path, token: token, tokenFile: tokenFile)
        }
        if let url = value("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
            return .container(url: url, token: token, tokenFile: tokenFile)
        }
        // Asked only where it was named: elsewhere nobody answers, and every start would wait for that.
        if let endpoint = value("AWS_EC2_METADATA_SERVICE_ENDPOINT") { return .instance(endpoint: tidy(endpoint)) }
        if ["1", "on", "true", "yes"].contains(value("APUS_S3_INSTANCE_CREDENTIALS")?.lowercased() ?? "") {
            return .instance(endpoint: "http://169.254.169.254")
        }
        return .given
    }

    public var description: String {
        "S3(\(endpoint ?? "amazonaws.com"), region \(region), \(anonymous ? "anonymous" : "signed"))"
    }

    public var customMirror: Mirror { Mirror(self, children: ["server": description]) }

    /// The URL of a bucket, without a slash at its end.
    func url(bucket: String) -> String {
        guard let endpoint else {
            let suffix = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
            // A dot in the bucket's name does not fit the server's wildcard certificate.
            return pathStyle || bucket.contains(".")
                ? "https://s3.\(region).\(suffix)/\(bucket)" : "https://\(bucket).s3.\(region).\(suffix)"
        }
        if pathStyle { return endpoint + "/" + bucket }
        guard let slashes = endpoint.range(of: "://") else { return endpoint + "/" + bucket }
        return endpoint[..<slashes.upperBound] + bucket + "." + endpoint[slashes.upperBound...]
    }

    /// Hides the credentials should a server repeat them.
    func redacted(_ text: String, _ used: Credentials? = nil) -> String {
        var text = text
        let more = used.map { [$0.secretKey, $0.sessionToken ?? "", $0.accessKey] } ?? []
        for secret in more + [secretKey, sessionToken ?? "", accessKey] where secret.count >= 4 {
            text = text.replacingOccurrences(of: secret, with: "***")
        }
        return text
    }

    private static func tidy(_ endpoint: String) -> String {
        var text = endpoint.contains("://") ? endpoint : "https://" + endpoint
        while text.hasSuffix("/") { text.removeLast() }
        return text
    }

    // MARK: Profiles

    /// The settings of the chosen profile: of the credentials file, then of the configuration file.
    private static func profile(_ environment: [String: String]) -> [String: String] {
        let (name, credentials, configuration) = profileFiles(environment)
        return profile(name, credentials, configuration)
    }

    private static func profileFiles(_ environment: [String: String]) -> (String, String, String) {
        let home = environment["HOME"] ?? ""
        let name = environment["AWS_PROFILE"].flatMap { $0.isEmpty ? nil : $0 } ?? "default"
        let credentials = environment["AWS_SHARED_CREDENTIALS_FILE"] ?? home + "/.aws/credentials"
        return (name, credentials, environment["AWS_CONFIG_FILE"] ?? home + "/.aws/config")
    }

    /// The settings of a profile of these files.
    static func profile(_ name: String, _ credentials: String, _ configuration: String) -> [String: String] {
        let keys = section([name], ofFile: credentials)
        let rest = section([name, "profile " + name], ofFile: configuration)
        // Credentials come from one file, as a set.
        if keys["aws_access_key_id"] != nil {
            return keys.merging(rest.filter { !$0.key.hasPrefix("aws_") }) { own, _ in own }
        }
        return rest.merging(keys) { own, _ in own }
    }

    private static func section(_ names: [String], ofFile path: String) -> [String: String] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [:] }
        return section(names, of: text)
    }

    /// Reads one section of an INI file.
    static func section(_ names: [String], of text: String) -> [String: String] {
        var values: [String: String] = [:]
        var isWanted = false
        for raw in text.split(whereSeparator: \.isNewline) {
            // Indented lines belong to a nested setting, which none of ours is.
            guard let first = raw.first, !first.isWhitespace else { continue }
            let line = raw.trimmingCharacters(in: .whitespaces)
            if line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
                let name = line[line.index(after: line.startIndex)..<end]
                isWanted = names.contains(name.trimmingCharacters(in: .whitespaces))
            } else if isWanted, let equals = line.firstIndex(of: "=") {
                let key = line[..<equals].trimmingCharacters(in: .whitespaces).lowercased()
                values[key] = line[line.index(after: equals)...].trimmingCharacters(in: .whitespaces)
            }
        }
        return values
    }
}
