// The folder of day files: which there are, and open ones.
//
// Files come and go beside us: another process writes the next day's, retention or a person removes
// old ones. So the folder is listed anew each time, and an open file is used only while its name
// still leads to it.
#pragma once

#include <sys/types.h>

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "connections.hpp"
#include "task_days.hpp"
#include "umbel/base/result.hpp"

namespace umbel::store_sqlite {

[[nodiscard]] std::string text_of(Day day);  // `2026-11-22`
[[nodiscard]] std::optional<Day> day_from(std::string_view text);

// One day's file as it was when it was opened.
struct DayFile {
  DayFile(Day file_day, std::string file_path, ino_t file_inode);
  Day day;
  std::string path;
  ino_t inode;
  Readers readers;
  std::unique_ptr<Writer> writer;  // once written to; set under DayFiles' lock
};

// Thread-safe.
class DayFiles {
 public:
  explicit DayFiles(std::string folder) : folder_{std::move(folder)} {}

  // Newest first.
  [[nodiscard]] Result<std::vector<Day>> list() const;
  [[nodiscard]] bool exists(Day day) const;
  // On the disk, with what SQLite keeps beside it; a day that is gone has none.
  [[nodiscard]] std::uint64_t bytes(Day day) const;
  // To read. NotFound: there is no such file, or it is being made right now. Invalid: it is none of
  // ours.
  [[nodiscard]] Result<std::shared_ptr<DayFile>> open(Day day);
  // To write; made if missing.
  [[nodiscard]] Result<std::shared_ptr<DayFile>> open_to_write(Day day);
  // Removes the files of days before `day`, and what SQLite left beside them; answers how many
  // days.
  [[nodiscard]] Result<std::size_t> remove_before(Day day);

 private:
  [[nodiscard]] std::string path_of(Day day) const;
  [[nodiscard]] std::shared_ptr<DayFile> known(Day day, const std::optional<ino_t>& inode);
  [[nodiscard]] std::shared_ptr<DayFile> keep(Day day, ino_t inode);
  std::string folder_;
  std::mutex mutex_;
  std::list<std::shared_ptr<DayFile>> open_;  // latest used first
};

}  // namespace umbel::store_sqlite
