#include "revoked_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "umbel/celery/json.hpp"

namespace umbel {
namespace {

namespace json = boost::json;

constexpr std::uintmax_t kLargest = 64 * 1024 * 1024;  // bytes

Error cannot(const char* what, const std::string& path) {
  return unavailable(std::string{what} + " " + path + ": " + std::strerror(errno));
}

Result<void> write_whole(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return cannot("cannot write", path);
  for (std::size_t done = 0; done < text.size();) {
    const auto wrote = ::write(file, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      const auto error = cannot("cannot write", path);
      ::close(file);
      return error;
    }
    done += static_cast<std::size_t>(wrote);
  }
  const bool synced = ::fsync(file) == 0;
  if (::close(file) != 0 || !synced) return cannot("cannot write", path);
  return {};
}

}  // namespace

Result<void> RevokedFile::load(RevokedSet& revoked, LamportClock& lamport) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path_, error);
  if (error == std::errc::no_such_file_or_directory) return {};
  if (error) return unavailable("cannot read " + path_ + ": " + error.message());
  if (size > kLargest) return invalid(path_ + " is too large to be a worker's --statedb");
  std::ifstream file{path_};
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return unavailable("cannot read " + path_);
  const auto document = celery::parse_json(text.str());
  const auto* const object = document ? document->if_object() : nullptr;
  const auto* const ids = object != nullptr ? object->if_contains("revoked") : nullptr;
  if (ids == nullptr || !ids->is_object()) {
    return invalid(path_ + " is not a worker's --statedb");
  }
  if (const auto* const clock = object->if_contains("clock"); clock && clock->is_int64()) {
    (void)lamport.adjust(clock->get_int64());
  }
  const auto wall = to_unix_seconds(clock_.wall());
  const auto steady = monotonic_seconds(clock_.steady());
  for (const auto& [id, at] : ids->get_object()) {
    if (!at.is_number()) continue;
    const double age = wall - at.to_number<double>();
    revoked.add(std::string{id}, from_monotonic_seconds(steady - age));
  }
  saved_ = revoked.revision();
  return {};
}

void RevokedFile::save_changes(RevokedSet& revoked, const LamportClock& lamport) {
  const auto revision = revoked.revision();
  if (revision == saved_) return;
  if (const auto done = save(revoked, lamport); !done) {
    if (!std::exchange(failing_, true)) {
      log_.warn("what is revoked is not kept over a restart", {{"reason", done.error().what}});
    }
    return;
  }
  failing_ = false;
  saved_ = revision;
}

Result<void> RevokedFile::save(RevokedSet& revoked, const LamportClock& lamport) const {
  const auto wall = to_unix_seconds(clock_.wall());
  const auto steady = monotonic_seconds(clock_.steady());
  json::object ids;
  for (const auto& entry : revoked.entries()) {
    ids[entry.id] = wall - (steady - monotonic_seconds(entry.when));
  }
  const json::object document{{"clock", lamport.value()}, {"revoked", std::move(ids)}};
  const auto fresh = path_ + ".new";
  if (auto written = write_whole(fresh, celery::to_json(document)); !written) return written;
  if (std::rename(fresh.c_str(), path_.c_str()) != 0) return cannot("cannot replace", path_);
  return {};
}

}  // namespace umbel
