#include "words.hpp"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <cstddef>

namespace umbel::reddit_simulator {
namespace {

using Words = std::string_view;

constexpr std::array kThings{Words{"sourdough starter"},
                             Words{"telescope"},
                             Words{"bicycle"},
                             Words{"crossword"},
                             Words{"build system"},
                             Words{"garden fence"},
                             Words{"coffee grinder"},
                             Words{"chess opening"},
                             Words{"rain gauge"},
                             Words{"unit test"},
                             Words{"library card"},
                             Words{"compost heap"},
                             Words{"hash table"},
                             Words{"violin"},
                             Words{"jigsaw puzzle"},
                             Words{"weather balloon"},
                             Words{"allotment"},
                             Words{"night train"},
                             Words{"café au lait"},
                             Words{"piñata"},
                             Words{"smörgåsbord"},
                             Words{"lighthouse"},
                             Words{"knitting pattern"},
                             Words{"water rocket"},
                             Words{"sundial"},
                             Words{"code review"},
                             Words{"kite"},
                             Words{"beehive"},
                             Words{"typewriter"},
                             Words{"model railway"},
                             Words{"origami crane (折り鶴)"},
                             Words{"houseplant"}};

constexpr std::array kPlaces{Words{"Reykjavík"}, Words{"a small village"}, Words{"the office"},
                             Words{"Łódź"},      Words{"the attic"},       Words{"東京"},
                             Words{"São Paulo"}, Words{"my balcony"},      Words{"the Alps"},
                             Words{"Zürich"},    Words{"the library"},     Words{"a ferry"},
                             Words{"Ålesund"},   Words{"the night bus"},   Words{"Αθήνα"},
                             Words{"Wellington"}};

constexpr std::array kPeople{
    Words{"grandmother"}, Words{"neighbour"},      Words{"flatmate"},  Words{"teacher"},
    Words{"manager"},     Words{"little brother"}, Words{"librarian"}, Words{"physics teacher"},
    Words{"aunt"},        Words{"postman"},        Words{"team"},      Words{"daughter"}};

constexpr std::array kDeeds{Words{"repair"},     Words{"explain"},  Words{"paint"},
                            Words{"measure"},    Words{"rename"},   Words{"borrow"},
                            Words{"photograph"}, Words{"rebuild"},  Words{"give away"},
                            Words{"benchmark"},  Words{"document"}, Words{"look after"}};

constexpr std::array kFields{Words{"astronomy"},   Words{"baking"},      Words{"compilers"},
                             Words{"gardening"},   Words{"cartography"}, Words{"databases"},
                             Words{"ornithology"}, Words{"typography"},  Words{"networking"},
                             Words{"woodwork"},    Words{"linguistics"}, Words{"oceanography"}};

constexpr std::array kAdjectives{Words{"Quiet"}, Words{"Amber"},  Words{"Brisk"},  Words{"Curious"},
                                 Words{"Dusty"}, Words{"Early"},  Words{"Gentle"}, Words{"Humble"},
                                 Words{"Lunar"}, Words{"Mellow"}, Words{"Nimble"}, Words{"Paper"},
                                 Words{"Rusty"}, Words{"Sunny"},  Words{"Tidy"},   Words{"Velvet"}};

constexpr std::array kAnimals{Words{"Otter"}, Words{"Heron"}, Words{"Badger"},   Words{"Magpie"},
                              Words{"Newt"},  Words{"Lynx"},  Words{"Puffin"},   Words{"Marmot"},
                              Words{"Finch"}, Words{"Moose"}, Words{"Hedgehog"}, Words{"Wombat"},
                              Words{"Crane"}, Words{"Carp"},  Words{"Beetle"},   Words{"Gecko"}};

// T thing, P place, W person, D deed, F field, N number; a slot stands between braces.
constexpr std::array kTitles{
    Words{"What is the best {T} you have ever owned?"},
    Words{"Is it worth learning {F} after {N}?"},
    Words{"TIL that the first {T} in {P} was built by a {W}"},
    Words{"My {W} decided to {D} the {T}. How do I thank them?"},
    Words{"How do you {D} a {T} without waking the whole house?"},
    Words{"[Serious] People who moved to {P}: what surprised you most?"},
    Words{"Why does nobody talk about {F} any more?"},
    Words{"I measured my {T} for {N} days & here is what I found"},
    Words{"Show: a {T} in {N} lines"},
    Words{"{F} in {P}: a short history"},
    Words{"Researchers {D} a {T} with {N} % less energy"},
    Words{"Found this {T} in {P}. Does anyone know how old it is?"},
    Words{"Thoughts on {F}?"},
    Words{"Help"},
    Words{"My {T} > your {T}"},
    Words{"\"You cannot {D} a {T}\", said my {W}. Challenge accepted \xF0\x9F\x99\x82"},
    Words{"What do you wish you had known before you started with {F}?"},
    Words{"Ask me anything: I {D} {T}s for a living"},
    Words{"Release {N}.0 of our open {T} planner"},
    Words{"Which book on {F} would you give your {W}?"},
    Words{"Nobody told me that a {T} could do this"},
    Words{"Weekly thread: small questions about {F}"},
    Words{"¿Cómo se dice \xE2\x80\x9C{T}\xE2\x80\x9D en {P}?"},
    Words{"The {T} of {P}, seen from the harbour at sunrise \xF0\x9F\x8C\x85"}};

constexpr std::array kClauses{
    Words{", and does it matter"},
    Words{", or should I ask my {W} first"},
    Words{" (with pictures of {P})"},
    Words{", told by somebody who learnt {F} from a {W}"},
    Words{" \xE2\x80\x94 long version, because the short one left out the {T} and half of {P}"},
    Words{", part {N}"}};

constexpr std::array kSentences{
    Words{"I started with {F} about {N} weeks ago and I am still at the beginning."},
    Words{"The {T} was a present from my {W}."},
    Words{"In {P} nearly everybody has one."},
    Words{"So far I have tried to {D} it twice & failed both times."},
    Words{"It took {N} evenings, a lot of tea, and the patience of my {W}."},
    Words{"What would you do?"},
    Words{"There is a good chapter about {F} in the old manual, but it assumes {N} > 3."},
    Words{"If you have a {T} at home, please measure it and tell me."},
    Words{"Edit: thank you for all the kind answers!"},
    Words{"The numbers: {N} before, {N} after."},
    Words{"My {W} says that you should never {D} anything on a Friday."},
    Words{"I know, I know: <insert the usual warning here>."},
    Words{"Naïve question, perhaps, but the search did not help."},
    Words{"Greetings from {P} \xF0\x9F\x91\x8B"}};

constexpr std::array kReplies{Words{"This is the best answer to a {T} question I have read today."},
                              Words{"Have you asked your {W}?"},
                              Words{"In {P} we simply {D} it."},
                              Words{"Came for the {T}, stayed for the {F}."},
                              Words{"Following, I have the same problem."},
                              Words{"About {N}, if I remember correctly."}};

constexpr std::array kFlairs{
    Words{"Discussion"}, Words{"Question"},     Words{"Serious Replies Only"}, Words{"Show"},
    Words{"News"},       Words{"Tools & Tips"}, Words{"Solved \xE2\x9C\x94"}};

constexpr std::array kDomains{Words{"news.example"},          Words{"blog.otter.example"},
                              Words{"papers.example"},        Words{"en.encyclopedia.example"},
                              Words{"code.example"},          Words{"magazine.example"},
                              Words{"weather.office.example"}};

std::string filled(Words pattern, Dice& dice) {
  std::string out;
  const auto put = [&out](Words word) {
    constexpr Words kVowels = "aeiou";
    if (out.ends_with(" a ") && kVowels.find(word.front()) != Words::npos) {
      out.back() = 'n';
      out += ' ';
    }
    out += word;
  };
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '{') {
      out += pattern[i];
      continue;
    }
    switch (pattern[i + 1]) {
      case 'T':
        put(dice.pick(kThings));
        break;
      case 'P':
        put(dice.pick(kPlaces));
        break;
      case 'W':
        put(dice.pick(kPeople));
        break;
      case 'D':
        put(dice.pick(kDeeds));
        break;
      case 'F':
        put(dice.pick(kFields));
        break;
      default:
        out += std::to_string(2 + dice.below(90));
        break;
    }
    i += 2;
  }
  return out;
}

std::size_t characters(Words text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return count;
}

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

std::string made_title(Dice& dice) {
  constexpr std::size_t kLimit = 300;
  std::string title = filled(dice.pick(kTitles), dice);
  if (is_word(title.front())) title.front() = static_cast<char>(std::toupper(title.front()));
  while (dice.chance(0.25)) {
    const std::string clause = filled(dice.pick(kClauses), dice);
    if (characters(title) + characters(clause) > kLimit) break;
    title += clause;
  }
  return title;
}

std::string made_text(Dice& dice) {
  if (dice.chance(0.2)) return {};
  std::string text;
  const std::uint64_t paragraphs = dice.chance(0.05) ? 8 + dice.below(12) : 1 + dice.below(4);
  for (std::uint64_t p = 0; p < paragraphs; ++p) {
    if (p > 0) text += "\n\n";
    const std::uint64_t sentences = 1 + dice.below(6);
    for (std::uint64_t s = 0; s < sentences; ++s) {
      if (s > 0) text += ' ';
      text += filled(dice.pick(kSentences), dice);
    }
  }
  return text;
}

std::string made_author(Dice& dice) {
  const Words adjective = dice.pick(kAdjectives);
  const Words animal = dice.pick(kAnimals);
  switch (dice.below(3)) {
    case 0:
      return fmt::format("{}{}{}", adjective, animal, dice.below(1000));
    case 1:
      return fmt::format("{}_{}", adjective, animal);
    default:
      return fmt::format("{}-{}-{:02}", adjective, animal, dice.below(100));
  }
}

std::string made_comment(Dice& dice) { return filled(dice.pick(kReplies), dice); }
std::string made_flair(Dice& dice) { return std::string{dice.pick(kFlairs)}; }
std::string made_domain(Dice& dice) { return std::string{dice.pick(kDomains)}; }

std::string slug_of(std::string_view title) {
  std::string slug;
  for (const char raw : title) {
    const char c = raw >= 'A' && raw <= 'Z' ? static_cast<char>(raw - 'A' + 'a') : raw;
    if (c == '\'') continue;
    if (is_word(c)) {
      slug += c;
    } else if (!slug.empty() && slug.back() != '_') {
      slug += '_';
    }
    if (slug.size() == 50) break;
  }
  while (!slug.empty() && slug.back() == '_') slug.pop_back();
  return slug.empty() ? "_" : slug;
}

std::string html_of(std::string_view text) {
  std::string html = "<div class=\"md\"><p>";
  for (std::size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      case '\'':
        html += "&#39;";
        break;
      case '\n':
        if (i + 1 < text.size() && text[i + 1] == '\n') {
          html += "</p>\n\n<p>";
          ++i;
        } else {
          html += '\n';
        }
        break;
      default:
        html += text[i];
    }
  }
  return html + "</p>\n</div>";
}

}  // namespace umbel::reddit_simulator
