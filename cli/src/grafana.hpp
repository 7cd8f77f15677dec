// What Grafana needs to show this stack without a click: its settings, its data source and its
// boards, rendered from dashboards/ (which is written for containers) into the stack's folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "umbel/base/result.hpp"

namespace umbel {

struct GrafanaPlan {
  std::filesystem::path boards;  // the repository's dashboards/
  std::filesystem::path
      folder;  // made; what is below provisioning/ and dashboards/ is written anew
  std::uint16_t port = 0, prometheus_port = 0, collector_port = 0;
};

// Errors name the file.
[[nodiscard]] Result<void> prepare_grafana(const GrafanaPlan& plan);

// The folder with Grafana's own files, for the binary: where packages put it, or above the binary.
[[nodiscard]] std::filesystem::path grafana_home(const std::filesystem::path& binary);

}  // namespace umbel
