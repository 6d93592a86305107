// One HTTP request and its answer: what is sent, where the body goes, what came back.

import CCurl
import Foundation

/// A request, complete enough to be sent more than once.
struct HTTPRequest: Sendable {
    enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case put = "PUT"
        case post = "POST"
        case delete = "DELETE"
    }

    /// Signing by libcurl: provider as in `aws:amz:us-east-1:s3`.
    struct Signature: Sendable {
        var provider: String
        var user: String
        var password: String
    }

    var method: Method
    var url: String
    /// Lines as in `range: bytes=0-99`.
    var headers: [String] = []
    var signature: Signature?
    var body: [Bytes] = []
    /// Once set, the request need not be sent, nor its answer be received.
    var cancellation: CancelFlag?
    /// Less than the client's own limit for a whole request.
    var timeoutMilliseconds: Int?
    /// Called once if no byte comes for so many milliseconds: on a busy link all answers take long, and are not late.
    var late: (afterMilliseconds: Int, call: @Sendable () -> Void)?
    /// Decides from status and headers what to do with the body.
    var accept: @Sendable (HTTPHead) -> BodyPlan = { _ in .keep(bytesMax: HTTPRequest.documentBytesMax) }

    /// The largest document (listing, error) that is kept.
    static let documentBytesMax = 32 << 20
}

/// Status and headers of an answer.
struct HTTPHead: Sendable {
    var status = 0
    /// Names in lower case.
    var headers: [String: String] = [:]

    subscript(_ name: String) -> String? { headers[name] }

    /// Content-Length, if it is there and makes sense.
    var contentLength: Int64? { headers["content-length"].flatMap { Int64($0) }.flatMap { $0 >= 0 ? $0 : nil } }
}

/// Where the body of an answer goes.
enum BodyPlan: Sendable {
    /// Into memory, as a document.
    case keep(bytesMax: Int)
    /// `count` bytes after `skip` bytes of the body go to `target` at `offset`; the rest is not waited for.
    case window(skip: Int64, count: Int, target: Bytes, offset: Int)
    /// Nowhere: the answer is not worth its bytes, and the transfer ends here.
    case refuse
}

/// What came of a request.
struct HTTPResponse: Sendable {
    var head = HTTPHead()
    /// The document, if it was kept.
    var body: [UInt8] = []
    /// How many bytes of the window arrived.
    var windowBytes = 0
    /// Why there is no whole answer.
    var failure: HTTPFailure?
    /// From sending to the end, without the wait for a free connection.
    var milliseconds = 0
}

/// A request that got no answer, or only a part of one.
struct HTTPFailure: Sendable {
    enum Kind: Sendable {
        /// Nobody was reached: sending again does no harm and may help.
        case unreachable
        /// The connection broke or stalled on the way.
        case broken
        /// Sending again would fail again.
        case permanent
    }
    var kind: Kind
    var text: String
}

/// A request on its way. Belongs to the thread of its client from `prepare` to `finish`.
final class Transfer: @unchecked Sendable {
    /// More header bytes than any honest server sends.
    private static let headersMax = 256
    /// How long an upload waits for the server's consent.
    private static let continueTimeoutMilliseconds = 100

    private let request: HTTPRequest
    private let done: @Sendable (HTTPResponse) -> Void
    private var answer = HTTPResponse()
    private var plan: BodyPlan?
    private var skipped: Int64 = 0
    private var hasAllItWants = false
    private var refusal: String?
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
    private var bodyPart = 0
    private var bodyOffset = 0
    private var began: UInt64 = 0
    /// When the last byte came.
    private var moved: UInt64 = 0
    private var isLateTold = false

    init(_ request: HTTPRequest, _ done: @escaping @Sendable (HTTPResponse) -> Void) {
        self.request = request
        self.done = done
        errorText.pointee = 0
    }

    deinit {
        curl_slist_free_all(headerList)
        errorText.deallocate()
    }

    func finish(_ response: HTTPResponse) { done(response) }

    /// Answers without having sent anything.
    func refuse(_ why: String) {
        var response = HTTPResponse()
        response.failure = HTTPFailure(kind: .permanent, text: why)
        done(response)
    }

    /// Drops what only the transfer itself needed.
    func release() {
        curl_slist_free_all(headerList)
        headerList = nil
    }

    // MARK: Sending

    func prepare(_ handle: UnsafeMutableRawPointer, _ options: HTTPOptions) {
        began = Transfer.now()
        moved = began
        let context = Unmanaged.passUnretained(self).toOpaque()
        _ = apus_curl_set_string(handle, CURLOPT_URL, request.url)
        _ = apus_curl_set_long(handle, CURLOPT_PATH_AS_IS, 1)
        _ = apus_curl_set_string(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        _ = apus_curl_set_long(handle, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        _ = apus_curl_set_long(handle, CURLOPT_NOSIGNAL, 1)
        _ = apus_curl_set_long(handle, CURLOPT_TCP_KEEPALIVE, 1)
        _ = apus_curl_set_long(handle, CURLOPT_BUFFERSIZE, 512 << 10)
        _ = apus_curl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, options.connectTimeoutMilliseconds)
        _ = apus_curl_set_long(
            handle, CURLOPT_TIMEOUT_MS,
            min(options.requestTimeoutMilliseconds, max(1, request.timeoutMilliseconds ?? .max)))
        _ = apus_curl_set_long(handle, CURLOPT_LOW_SPEED_LIMIT, 1)
        _ = apus_curl_set_long(handle, CURLOPT_LOW_SPEED_TIME, options.stallTimeoutSeconds)
        _ = apus_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, errorText)
        _ = apus_curl_set_string(handle, CURLOPT_USERAGENT, "apus")
        if let file = options.certificateFile { _ = apus_curl_set_string(handle, CURLOPT_CAINFO, file) }
        if let signature = request.signature {
            _ = apus_curl_set_string(handle, CURLOPT_AWS_SIGV4, signature.provider)
            _ = apus_curl_set_string(handle, CURLOPT_USERNAME, signature.user)
            _ = apus_curl_set_string(handle, CURLOPT_PASSWORD, signature.password)
        }
        switch request.method {
        case .get: _ = apus_curl_set_long(handle, CURLOPT_HTTPGET, 1)
        case .head: _ = apus_curl_set_long(handle, CURLOPT_NOBODY, 1)
        case .delete: _ = apus_curl_set_string(handle, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        case .put: prepareUpload(handle, context)
        case .post:
            prepareUpload(handle, context)
            _ = apus_curl_set_string(handle, CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        }
        for line in request.headers { headerList = curl_slist_append(headerList, line) }
        _ = apus_curl_set_list(handle, CURLOPT_HTTPHEADER, headerList)
        _ = apus_curl_set_data(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().header(line)
        }
        _ = apus_curl_set_pointer(handle, CURLOPT_HEADERDATA, context)
        _ = apus_curl_set_data(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let part = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().receive(part)
        }
        _ = apus_curl_set_pointer(handle, CURLOPT_WRITEDATA, context)
    }

    private func prepareUpload(_ handle: UnsafeMutableRawPointer, _ context: UnsafeMutableRawPointer) {
        let size = request.body.reduce(0) { $0 + $1.count }
        _ = apus_curl_set_long(handle, CURLOPT_UPLOAD, 1)
        _ = apus_curl_set_offset(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(size))
        _ = apus_curl_set_long(handle, CURLOPT_UPLOAD_BUFFERSIZE, 512 << 10)
        // Not every server sends "100 Continue". Switching the question off by an empty "Expect:" is no way:
        // libcurl 7.88 signs that header and then does not send it.
        _ = apus_curl_set_long(handle, CURLOPT_EXPECT_100_TIMEOUT_MS, Transfer.continueTimeoutMilliseconds)
        _ = apus_curl_set_data(handle, CURLOPT_READFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let target = UnsafeMutableRawBufferPointer(start: bytes, count: size * count)
            return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().send(target)
        }
        _ = apus_curl_set_pointer(handle, CURLOPT_READDATA, context)
        // A kept connection may turn out dead after the first bytes: libcurl then starts over on a new one.
        _ = apus_curl_set_seek(handle, CURLOPT_SEEKFUNCTION) { context, offset, origin in
            guard let context, origin == SEEK_SET else { return 2 }
            return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().seek(Int64(offset))
        }
        _ = apus_curl_set_pointer(handle, CURLOPT_SEEKDATA, context)
    }

    private func send(_ target: UnsafeMutableRawBufferPointer) -> Int {
        var sent = 0
        while sent < target.count, bodyPart < request.body.count {
            let part = request.body[bodyPart]
            let count = min(part.count - bodyOffset, target.count - sent)
            if count > 0 {
                target.baseAddress.map { ($0 + sent).copyMemory(from: part.base + bodyOffset, byteCount: count) }
            }
            sent += count
            bodyOffset += count
            if bodyOffset == part.count {
                bodyPart += 1
                bodyOffset = 0
            }
        }
        return sent
    }

    /// Returns 0 for done, 1 for failed.
    private func seek(_ offset: Int64) -> Int32 {
        var rest = offset
        bodyPart = 0
        bodyOffset = 0
        while rest > 0, bodyPart < request.body.count {
            let size = Int64(request.body[bodyPart].count)
            if rest < size {
                bodyOffset = Int(rest)
                return 0
            }
            rest -= size
            bodyPart += 1
        }
        return rest == 0 ? 0 : 1
    }

    // MARK: Receiving

    private func header(_ bytes: UnsafeRawBufferPointer) -> Int {
        moved = Transfer.now()
        let line = String(decoding: bytes, as: UTF8.self)
        if line.hasPrefix("HTTP/") {
            // A new answer: what came before was "100 Continue" or the like.
            answer.head = HTTPHead()
            answer.head.status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        } else if let colon = line.firstIndex(of: ":"), answer.head.headers.count < Transfer.headersMax {
            let value = line[line.index(after: colon)...]
            answer.head.headers[line[..<colon].lowercased()] = value.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        return bytes.count
    }

    /// Whether somebody wants to know when the answer is late.
    var isWatched: Bool { request.late != nil && !isLateTold }

    /// Tells once that the answer is late.
    func tellLate(_ time: UInt64) {
        guard let late = request.late, !isLateTold, time >= moved + UInt64(late.afterMilliseconds) else { return }
        isLateTold = true
        late.call()
    }

    static func now() -> UInt64 { DispatchTime.now().uptimeNanoseconds / 1_000_000 }

    /// Whether nobody waits for the answer any more.
    var isCancelled: Bool { request.cancellation?.isSet ?? false }

    /// Takes a part of the body; fewer bytes than given ends the transfer.
    private func receive(_ part: UnsafeRawBufferPointer) -> Int {
        moved = Transfer.now()
        if isCancelled {
            refusal = "the request was canceled"
            return 0
        }
        let plan = self.plan ?? request.accept(answer.head)
        self.plan = plan
        switch plan {
        case .refuse:
            refusal = "unexpected answer"
            return 0
        case .keep(let bytesMax):
            guard answer.body.count + part.count <= bytesMax else {
                refusal = "the answer is larger than \(bytesMax) bytes"
                return 0
            }
            answer.body.append(contentsOf: part)
            return part.count
        case .window(let skip, let count, let target, let offset):
            let ignored = Int(min(skip - skipped, Int64(part.count)))
            skipped += Int64(ignored)
            let taken = min(part.count - ignored, count - answer.windowBytes)
            if taken > 0, let start = part.baseAddress {
                (target.mutableBase + offset + answer.windowBytes).copyMemory(
                    from: start + ignored, byteCount: taken)
                answer.windowBytes += taken
            }
            hasAllItWants = answer.windowBytes == count
            return ignored + taken
        }
    }

    /// Turns libcurl's verdict into an answer.
    func response(_ code: CURLcode) -> HTTPResponse {
        answer.milliseconds = Int(clamping: Transfer.now() &- began)
        if code == CURLE_OK { return answer }
        if code == CURLE_WRITE_ERROR, hasAllItWants { return answer }
        var text = String(cString: errorText)
        if text.isEmpty { text = String(cString: curl_easy_strerror(code)) }
        answer.failure =
            if let refusal {
                HTTPFailure(kind: .permanent, text: refusal)
            } else {
                HTTPFailure(kind: Transfer.kind(code), text: text)
            }
        return answer
    }

    private static func kind(_ code: CURLcode) -> HTTPFailure.Kind {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT: .unreachable
        case CURLE_OPERATION_TIMEDOUT, CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE,
            CURLE_SSL_CONNECT_ERROR, CURLE_WEIRD_SERVER_REPLY, CURLE_SEND_FAIL_REWIND, CURLE_AGAIN,
            CURLE_HTTP2, CURLE_HTTP2_STREAM, CURLE_UPLOAD_FAILED:
            .broken
        default: .permanent
        }
    }
}
