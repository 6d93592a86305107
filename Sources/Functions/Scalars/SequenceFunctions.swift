// nextval, currval, setval, lastval: the session knows the sequences, functions only ask it.
import Columns
public import Diagnostics

/// The sequences of a session. Names are as SQL wrote them; the statement's were looked up before it began.
public protocol SequenceValues: Sendable {
    func next(_ name: String) throws(SQLError) -> Int64
    /// The value that this session was given last. Throws 55000 when there was none.
    func current(_ name: String) throws(SQLError) -> Int64
    func set(_ name: String, _ value: Int64, isCalled: Bool) throws(SQLError)
    /// The value that this session was given last by any sequence.
    func last() throws(SQLError) -> Int64
}

public enum SequenceFunctions {
    /// Functions whose first argument names a sequence.
    public static let names: Set<String> = ["nextval", "currval", "setval"]

    static let all: [Overload] = [
        named("nextval", [.text]) { (sequences, name, _, _) throws(SQLError) in try sequences.next(name) },
        named("currval", [.text]) { (sequences, name, _, _) throws(SQLError) in try sequences.current(name) },
        named("setval", [.text, .int8]) { (sequences, name, value, _) throws(SQLError) in
            try sequences.set(name, value, isCalled: true)
            return value
        },
        named("setval", [.text, .int8, .boolean]) { (sequences, name, value, isCalled) throws(SQLError) in
            try sequences.set(name, value, isCalled: isCalled)
            return value
        },
        Overload("lastval", [SQLType](), .int8, volatility: .volatile) { (context, _, rows) throws(SQLError) in
            let value = try sequences(context).last()
            return Column.constant(.int8(value), count: rows)
        },
    ]

    private static func sequences(_ context: FunctionContext) throws(SQLError) -> any SequenceValues {
        guard let sequences = context.sequences else {
            throw SQLError(.featureNotSupported, "sequences cannot be used here")
        }
        return sequences
    }

    private static func named(
        _ name: String, _ parameters: [SQLType],
        _ body: @escaping @Sendable (any SequenceValues, String, Int64, Bool) throws(SQLError) -> Int64
    ) -> Overload {
        Overload(name, parameters, .int8, volatility: .volatile) { (context, a, rows) throws(SQLError) in
            let sequences = try sequences(context)
            let builder = ColumnBuilder(.int8, capacity: rows)
            for row in 0..<rows {
                let values = a.map { $0.scalar(row) }
                guard case .string(let name)? = values.first?.value, !values.contains(where: \.isNull) else {
                    builder.appendNull()
                    continue
                }
                var (number, flag) = (Int64(0), true)
                if values.count > 1, case .int(let given) = values[1].value { number = given }
                if values.count > 2, case .bool(let given) = values[2].value { flag = given }
                builder.append(try body(sequences, name, number, flag))
            }
            return builder.finish()
        }
    }
}
