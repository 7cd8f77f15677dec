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

// Addresses and folders of containers, and those of this machine.
std::vector<Replacement> replacements(const GrafanaPlan& plan) {
  return {{"http://prometheus:9090", fmt::format("http://127.0.0.1:{}", plan.prometheus_port)},
          {"http://localhost:5555", fmt::format("http://localhost:{}", plan.collector_port)},
          {"/etc/umbel/dashboards", (plan.folder / "dashboards").string()}};
}

}  // namespace

Result<void> prepare_grafana(const GrafanaPlan& plan) {
  if (auto written = write_file(plan.folder / "grafana.ini", settings(plan)); !written) {
    return written;
  }
  const auto local = replacements(plan);
  for (const char* what : {"datasources", "dashboards"}) {
    const fs::path below = fs::path{"provisioning"} / what;
    if (auto done = render_folder(plan.boards / below, ".yml", plan.folder / below, local); !done) {
      return done;
    }
  }
  // Grafana complains of each kind of provisioning that has no folder.
  std::error_code error;
  for (const char* what : {"plugins", "alerting"}) {
    fs::create_directories(plan.folder / "provisioning" / what, error);
  }
  return render_folder(plan.boards, ".json", plan.folder / "dashboards", local);
}

fs::path grafana_home(const fs::path& binary) {
  std::error_code error;
  const fs::path above = fs::weakly_canonical(binary, error).parent_path().parent_path();
  const bool complete = fs::exists(above / "conf" / "defaults.ini", error);
  return complete ? above : fs::path{"/usr/share/grafana"};
}

}  // namespace umbel
