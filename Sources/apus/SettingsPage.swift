// What `apus settings` prints: the server's options and the session's settings, from the lists that define them.
import Coordinator

enum SettingsPage {
    static func print() {
        Swift.print("Server: flags, environment, or a file of `name = value` lines (--config)\n")
        for option in Configuration.options {
            let flag = "--" + option.name.replacing("_", with: "-")
            Swift.print("  \(pad(option.name, 18))\(pad(option.standard, 14))\(option.summary)")
            Swift.print("  \(pad("", 18))\(pad("", 14))\(flag), \(option.environment)")
        }
        Swift.print("\nSession: SET name = value, options of the connection\n")
        for setting in Settings.all {
            Swift.print("  \(pad(setting.name, 38))\(pad(setting.standard, 24))\(setting.summary)")
        }
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
