// pg_notify and what tells about channels: the session has them, functions only ask it.
import Columns
public import Diagnostics

/// The channels of a session.
public protocol NotificationChannels: Sendable {
    /// Notes a notification, to be sent when the transaction commits. Throws 22023 for a bad name or payload.
    func notify(_ channel: String, _ payload: String) throws(SQLError)
    /// The channels that the session listens on, in their order.
    var listening: [String] { get }
    /// How full the queue is, 0 to 1.
    var usage: Double { get }
}

enum NotificationFunctions {
    private static func channels(_ context: FunctionContext) throws(SQLError) -> any NotificationChannels {
        guard let channels = context.notifications else {
            throw SQLError(.featureNotSupported, "notifications cannot be used here")
        }
        return channels
    }

    static let all: [Overload] = [
        // void travels as empty text. NULL stands for the empty text here.
        Overload("pg_notify", [.text, .text], .text, volatility: .volatile, isStrict: false) {
            (context, a, rows) throws(SQLError) in
            let channels = try channels(context)
            func text(_ value: Scalar) -> String {
                if case .string(let text) = value.value { return text }
                return ""
            }
            for row in 0..<rows { try channels.notify(text(a[0].scalar(row)), text(a[1].scalar(row))) }
            return Column.constant(.text(""), count: rows)
        },
        // What pg_listening_channels() gives as rows.
        Overload("pg_listening_list", [SQLType](), .array(.text), volatility: .stable) {
            (context, _, rows) throws(SQLError) in
            let names = context.notifications?.listening ?? []
            return Column.constant(Scalar(.array(.text), .array(names.map { Scalar.text($0) })), count: rows)
        },
        Overload("pg_notification_queue_usage", [SQLType](), .float8, volatility: .volatile) {
            (context, _, rows) throws(SQLError) in
            Column.constant(Scalar(.float8, .double(context.notifications?.usage ?? 0)), count: rows)
        },
    ]
}
