// The server's certificate, read anew when its files change: connections made from then on use the new one.
import Diagnostics
import Foundation
import Logging
import NIOSSL
import Synchronization

/// What TLS needs, as the files have it now.
public final class TLSCertificates: Sendable {
    struct Current: Sendable {
        var context: NIOSSLContext
        /// The hash of the certificate for channel binding.
        var endpoint: [UInt8]?
    }

    private struct State {
        var current: Current
        /// When the files were changed last.
        var stamps: [Date?]
        var checkedAt: ContinuousClock.Instant
    }

    private let certificate: String
    private let key: String
    private let authority: String?
    private let logger: Logger
    private let state: Mutex<State>

    /// Between two looks at the files.
    private static let interval: Duration = .seconds(1)

    /// nil when the configuration has no certificate; throws when its files cannot be used.
    init?(_ configuration: ServerConfiguration, logger: Logger) throws {
        guard let certificate = configuration.certificatePath, let key = configuration.privateKeyPath else {
            return nil
        }
        self.certificate = certificate
        self.key = key
        authority = configuration.authorityPath
        self.logger = logger
        let files = [certificate, key, configuration.authorityPath].compactMap { $0 }
        state = Mutex(
            State(
                current: try TLSCertificates.load(certificate, key, configuration.authorityPath),
                stamps: TLSCertificates.stamps(files), checkedAt: .now))
    }

    private static func load(_ certificate: String, _ key: String, _ authority: String?) throws -> Current {
        let chain = try NIOSSLCertificate.fromPEMFile(certificate)
        let privateKey = try NIOSSLPrivateKey(file: key, format: .pem)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(privateKey))
        if let authority {
            // Clients without a certificate may come; the rule of a connection says whether they may stay.
            configuration.trustRoots = .file(authority)
            configuration.certificateVerification = .optionalVerification
        }
        let context = try NIOSSLContext(configuration: configuration)
        let endpoint = try chain.first.map { CertificateFields(der: try $0.toDERBytes()).endpoint } ?? nil
        return Current(context: context, endpoint: endpoint)
    }

    private static func stamps(_ files: [String]) -> [Date?] {
        files.map { (try? FileManager.default.attributesOfItem(atPath: $0))?[.modificationDate] as? Date }
    }

    private var files: [String] { [certificate, key, authority].compactMap { $0 } }

    /// The certificate for a new connection.
    var current: Current {
        let now = ContinuousClock.now
        let isDue = state.withLock { state in
            guard now - state.checkedAt >= TLSCertificates.interval else { return false }
            state.checkedAt = now
            return TLSCertificates.stamps(files) != state.stamps
        }
        if isDue { reload() }
        return state.withLock { $0.current }
    }

    /// Reads the files again. What cannot be used is told, and the old certificate stays.
    public func reload() {
        let stamps = TLSCertificates.stamps(files)
        do {
            let loaded = try TLSCertificates.load(certificate, key, authority)
            state.withLock { state in
                state.current = loaded
                state.stamps = stamps
            }
            logger.info("the TLS certificate was read again")
        } catch {
            state.withLock { $0.stamps = stamps }
            logger.error("the TLS certificate cannot be read; the old one stays", metadata: ["error": "\(error)"])
        }
    }
}
