// Columns of texts as columns of values, for files of text.
public import Columns
public import Diagnostics

public enum TextCasts {
    public typealias Reader = @Sendable (Column, Int) throws(SQLError) -> Column

    /// A reader of texts as values of a type, the same in every session: times with a zone become those of UTC. What is no
    /// such value is an error, but NULL if `isLenient`. Nil for types without a text form.
    public static func reader(_ type: SQLType, isLenient: Bool) -> Reader? {
        if type == .text { return { (column, _) throws(SQLError) in column } }
        let read = type == .timestamp ? SQLType.timestamptz : type
        guard let cast = FunctionRegistry.cast(from: .text, to: read, context: .explicit, isTry: isLenient) else {
            return nil
        }
        let kernel = cast.kernel
        let context = FunctionContext()
        return { (column, rows) throws(SQLError) in
            let made = Flatten.flat(try kernel(context, [column], rows))
            return made.type == type ? made : made.retyped(type)
        }
    }
}
