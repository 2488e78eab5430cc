// Unit files that run `pawl up`.
#include "cli/up.h"

namespace pawl::cli {
namespace {

// systemd takes '%' for a specifier, and quotes as a shell does.
std::string systemd_word(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '%') out += '%';
    if (c == '"' || c == '\\') out += '\\';
    if (c == '$') out += '$';
    out += c;
  }
  return out.find(' ') == std::string::npos ? out : "\"" + out + "\"";
}

std::string systemd_path(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '%') out += '%';
    out += c;
  }
  return out;
}

std::string xml_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return out;
}

int64_t stop_seconds(const UnitPlan& plan) {
  constexpr int64_t ms_per_second = 1000;
  constexpr int64_t margin = 15;
  return plan.stop_within_ms / ms_per_second + margin;
}

}  // namespace

std::string systemd_unit(const UnitPlan& plan) {
  return "# pawl ops units --systemd > /etc/systemd/system/pawl.service\n"
         "# systemctl daemon-reload && systemctl enable --now pawl\n"
         "[Unit]\n"
         "Description=Pawl: bus, runner and daemons\n"
         "After=network.target\n"
         "StartLimitIntervalSec=300\n"
         "StartLimitBurst=10\n"
         "\n"
         "[Service]\n"
         "Type=notify\n"
         "NotifyAccess=main\n"
         "WorkingDirectory=" +
         systemd_path(plan.directory) +
         "\n"
         "ExecStart=" +
         systemd_word(plan.program) + " up --config " + systemd_word(plan.config) +
         "\n"
         "ExecReload=/bin/kill -HUP $MAINPID\n"
         "# The launcher is told to stop and ends the others in order; what it leaves is killed.\n"
         "KillMode=mixed\n"
         "TimeoutStartSec=infinity\n"
         "TimeoutStopSec=" +
         std::to_string(stop_seconds(plan)) +
         "\n"
         "WatchdogSec=30\n"
         "Restart=on-failure\n"
         "RestartSec=1\n"
         "# Control groups of our own below this unit's: no orphan hides from a stop.\n"
         "Delegate=yes\n"
         "LimitNOFILE=65536\n"
         "UMask=0077\n"
         "\n"
         "[Install]\n"
         "WantedBy=multi-user.target\n";
}

std::string launchd_unit(const UnitPlan& plan) {
  const auto string = [](const std::string& text) { return "<string>" + xml_text(text) + "</string>\n"; };
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
         "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
         "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
         "<!-- Written by pawl ops units: ~/Library/LaunchAgents/pawl.plist, then launchctl load -w that "
         "file. -->\n"
         "<plist version=\"1.0\">\n"
         "<dict>\n"
         "  <key>Label</key>\n"
         "  <string>pawl</string>\n"
         "  <key>ProgramArguments</key>\n"
         "  <array>\n"
         "    " +
         string(plan.program) +
         "    <string>up</string>\n"
         "    <string>--config</string>\n"
         "    " +
         string(plan.config) +
         "  </array>\n"
         "  <key>WorkingDirectory</key>\n"
         "  " +
         string(plan.directory) +
         "  <key>RunAtLoad</key>\n"
         "  <true/>\n"
         "  <key>KeepAlive</key>\n"
         "  <dict>\n"
         "    <key>SuccessfulExit</key>\n"
         "    <false/>\n"
         "  </dict>\n"
         "  <key>ExitTimeOut</key>\n"
         "  <integer>" +
         std::to_string(stop_seconds(plan)) +
         "</integer>\n"
         "  <key>StandardErrorPath</key>\n"
         "  " +
         string(plan.data + "/up/log/up.err") +
         "</dict>\n"
         "</plist>\n";
}

}  // namespace pawl::cli
