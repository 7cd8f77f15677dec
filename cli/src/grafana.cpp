#include "grafana.hpp"

#include <fmt/format.h>

#include "files.hpp"

namespace umbel {
namespace {

namespace fs = std::filesystem;

std::string settings(const GrafanaPlan& plan) {
  return fmt::format(
      "[paths]\ndata = {0}/data\nlogs = {0}/logs\nplugins = {0}/plugins\nprovisioning = "
      "{0}/provisioning\n"
      "[server]\nhttp_addr = 127.0.0.1\nhttp_port = {1}\n"
      "[auth.anonymous]\nenabled = true\norg_role = Editor\n"
      "[analytics]\nreporting_enabled = false\ncheck_for_updates = false\n"
      "[dashboards]\ndefault_home_dashboard_path = {0}/dashboards/overview.json\n",
      plan.folder.string(), plan.port);
}

// Addresses and folders of containers, made those of this machine.
void make_local(std::string& text, const GrafanaPlan& plan) {
  replace_all(text, "http://prometheus:9090",
              fmt::format("http://127.0.0.1:{}", plan.prometheus_port));
  replace_all(text, "http://localhost:5555",
              fmt::format("http://localhost:{}", plan.collector_port));
  replace_all(text, "/etc/umbel/dashboards", (plan.folder / "dashboards").string());
}

// Renders the files of one folder that end in `extension`; how many there were.
Result<int> render_folder(const fs::path& from, const char* extension, const fs::path& to,
                          const GrafanaPlan& plan) {
  std::error_code error;
  fs::remove_all(to, error);  // boards of an older version would be shown beside the new ones
  int rendered = 0;
  for (const auto& entry : fs::directory_iterator{from, error}) {
    if (entry.path().extension() != extension) continue;
    auto text = read_file(entry.path());
    if (text.has_error()) return text.error();
    make_local(*text, plan);
    if (auto written = write_file(to / entry.path().filename(), *text); !written) {
      return written.error();
    }
    ++rendered;
  }
  if (rendered == 0) {
    return not_found(fmt::format("no {} files in {}", extension, from.string()));
  }
  return rendered;
}

}  // namespace

Result<void> prepare_grafana(const GrafanaPlan& plan) {
  if (auto written = write_file(plan.folder / "grafana.ini", settings(plan)); !written) {
    return written;
  }
  const fs::path provisioning = plan.folder / "provisioning";
  for (const char* what : {"datasources", "dashboards"}) {
    const auto rendered =
        render_folder(plan.boards / "provisioning" / what, ".yml", provisioning / what, plan);
    if (rendered.has_error()) return rendered.error();
  }
  const auto boards = render_folder(plan.boards, ".json", plan.folder / "dashboards", plan);
  if (boards.has_error()) return boards.error();
  return {};
}

fs::path grafana_home(const fs::path& binary) {
  std::error_code error;
  const fs::path above = fs::weakly_canonical(binary, error).parent_path().parent_path();
  const bool complete = fs::exists(above / "conf" / "defaults.ini", error);
  return complete ? above : fs::path{"/usr/share/grafana"};
}

}  // namespace umbel
