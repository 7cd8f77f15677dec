#include "day_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "history_schema.hpp"
#include "search_indexes.hpp"

namespace umbel::store_sqlite {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kOpenFiles = 16;
constexpr std::size_t kIdleReadersPerDay = 2;
constexpr std::size_t kDateLength = 10;

std::optional<ino_t> inode_of(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return std::nullopt;
  return about.st_ino;
}

template <class T>
std::optional<T> digits(std::string_view text) {
  T value = 0;
  const auto [rest, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

Error folder_fault(const std::string& folder, const std::error_code& why) {
  return unavailable(
      fmt::format("the history folder {} cannot be read: {}", folder, why.message()));
}

// Opening a file to read makes nothing, so it may find one that the writer is still setting up.
Result<void> check_is_history(const std::string& path) {
  try {
    SQLite::Database database{path, SQLite::OPEN_READWRITE, 1000};
    const SQLite::Transaction one_moment{database};
    const int owner = database.execAndGet("PRAGMA application_id").getInt();
    const int version = database.execAndGet("PRAGMA user_version").getInt();
    const auto newest = static_cast<int>(history_migrations().size());
    if (owner == 0 && version == 0) return not_found(fmt::format("{} is being made", path));
    if (owner != kHistoryApplicationId) return invalid(fmt::format("{} is no history file", path));
    if (version > 0 && version < newest)
      return Error{Errc::Conflict, path + " is of an older form"};
    if (version != newest) {
      return invalid(
          fmt::format("{} has version {} of the history's tables; this program reads version {}",
                      path, version, newest));
    }
    return {};
  } catch (const SQLite::Exception& failure) {
    return sqlite::to_error(failure, "open " + path);
  }
}

// A file that was just made has all its indexes before its first task.
Result<void> index_if_empty(Writer& writer, const std::string& path) {
  return writer.write("index " + path, [](Connection& connection) -> Result<void> {
    if (!connection.query("SELECT 1 FROM tasks LIMIT 1").next()) (void)make_next_index(connection);
    return {};
  });
}

}  // namespace

std::string text_of(Day day) {
  const std::chrono::year_month_day date{day};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::optional<Day> day_from(std::string_view text) {
  if (text.size() != kDateLength || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = digits<unsigned>(text.substr(0, 4));
  const auto month = digits<unsigned>(text.substr(5, 2));
  const auto day = digits<unsigned>(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                         std::chrono::month{*month}, std::chrono::day{*day}};
  if (!date.ok()) return std::nullopt;
  return Day{date};
}

DayFile::DayFile(Day file_day, std::string file_path, ino_t file_inode)
    : day{file_day},
      path{std::move(file_path)},
      inode{file_inode},
      readers{path, kIdleReadersPerDay} {}

std::string DayFiles::path_of(Day day) const { return folder_ + "/" + text_of(day) + ".db"; }

bool DayFiles::exists(Day day) const { return inode_of(path_of(day)).has_value(); }

std::uint64_t DayFiles::bytes(Day day) const {
  std::uint64_t total = 0;
  for (const char* beside : {"", "-wal", "-shm"}) {
    std::error_code fault;
    const auto size = fs::file_size(path_of(day) + beside, fault);
    if (!fault) total += size;
  }
  return total;
}

Result<std::vector<Day>> DayFiles::list() const {
  std::vector<Day> days;
  std::error_code fault;
  for (fs::directory_iterator entry{folder_, fault}, end; !fault && entry != end;
       entry.increment(fault)) {
    const auto name = entry->path().filename().string();
    if (!name.ends_with(".db")) continue;
    if (const auto day = day_from(std::string_view{name}.substr(0, name.size() - 3))) {
      days.push_back(*day);
    }
  }
  if (fault && fault != std::errc::no_such_file_or_directory) return folder_fault(folder_, fault);
  std::ranges::sort(days, std::greater{});
  return days;
}

std::shared_ptr<DayFile> DayFiles::known(Day day, const std::optional<ino_t>& inode) {
  const auto found =
      std::ranges::find_if(open_, [day](const auto& file) { return file->day == day; });
  if (found == open_.end()) return nullptr;
  if (!inode || (*found)->inode != *inode) {
    open_.erase(found);
    return nullptr;
  }
  open_.splice(open_.begin(), open_, found);
  return open_.front();
}

std::shared_ptr<DayFile> DayFiles::keep(Day day, ino_t inode) {
  open_.push_front(std::make_shared<DayFile>(day, path_of(day), inode));
  if (open_.size() > kOpenFiles) open_.pop_back();
  return open_.front();
}

Result<std::shared_ptr<DayFile>> DayFiles::open(Day day) {
  const auto path = path_of(day);
  const std::scoped_lock lock{mutex_};
  const auto inode = inode_of(path);
  if (auto file = known(day, inode)) return file;
  if (!inode) return not_found(path + " is gone");
  if (auto fine = check_is_history(path); !fine) {
    if (fine.error().code != Errc::Conflict) return fine.error();
    // A day that an earlier version of this program wrote.
    auto brought_up = sqlite::open(path, kHistoryApplicationId, history_migrations(), {});
    if (!brought_up) return brought_up.error();
  }
  return keep(day, *inode);
}

Result<std::shared_ptr<DayFile>> DayFiles::open_to_write(Day day) {
  const auto path = path_of(day);
  const std::scoped_lock lock{mutex_};
  auto file = known(day, inode_of(path));
  if (file && file->writer) return file;
  auto database = sqlite::open(path, kHistoryApplicationId, history_migrations(), {});
  if (!database) return database.error();
  const auto inode = inode_of(path);
  if (!inode) return unavailable(path + " was removed as it was opened");
  auto writer = std::make_unique<Writer>(std::move(*database));
  if (auto fresh = index_if_empty(*writer, path); !fresh) return fresh.error();
  if (!file) file = keep(day, *inode);
  file->writer = std::move(writer);
  return file;
}

Result<std::size_t> DayFiles::remove_before(Day day) {
  {
    const std::scoped_lock lock{mutex_};
    open_.remove_if([day](const auto& file) { return file->day < day; });
  }
  std::set<Day> removed;
  std::error_code fault;
  for (fs::directory_iterator entry{folder_, fault}, end; !fault && entry != end;
       entry.increment(fault)) {
    const auto name = entry->path().filename().string();
    const auto file_day = day_from(std::string_view{name}.substr(0, kDateLength));
    const auto kind = name.size() > kDateLength ? name.substr(kDateLength) : std::string{};
    const bool ours = kind == ".db" || kind == ".db-wal" || kind == ".db-shm";
    if (!file_day || !ours || *file_day >= day) continue;
    std::error_code refused;
    fs::remove(entry->path(), refused);
    if (refused) {
      return unavailable(
          fmt::format("{} cannot be removed: {}", entry->path().string(), refused.message()));
    }
    if (kind == ".db") removed.insert(*file_day);
  }
  if (fault && fault != std::errc::no_such_file_or_directory) return folder_fault(folder_, fault);
  return removed.size();
}

}  // namespace umbel::store_sqlite
