"""Text mining: are the customers pleased? Messages to a shop, classified with scikit-learn.

Like the paper's Sklearn: 44 cells, 185 MB of data, 512 s there. Its state is texts: long lists of
strings, frames of them, word counts, sparse matrices.
"""

# %% parameters
SCALE = 1.0

# %%
import os
import re
from collections import Counter

os.environ["OMP_NUM_THREADS"] = "1"  # sums of several threads differ in the last bits

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

# %%
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import classification_report, confusion_matrix, f1_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

# %%
SEED = 5
DOCUMENTS = max(300, int(22_000 * SCALE))
GRID_DOCUMENTS = max(150, int(3_000 * SCALE))
VOCABULARY = max(1_500, int(9_000 * SCALE))
good_words = [
    "lovely",
    "perfect",
    "quick",
    "friendly",
    "sturdy",
    "bargain",
    "delighted",
    "thanks",
    "soft",
    "bright",
    "clever",
    "neat",
]
bad_words = [
    "broken",
    "late",
    "rude",
    "refund",
    "scratched",
    "missing",
    "flimsy",
    "noisy",
    "faulty",
    "leaking",
    "useless",
    "angry",
]
stop_words = ["the", "and", "was", "with", "for", "this", "but", "not", "very", "from", "after", "have"]


# %%
def invent_words(count, rng):
    starts = ["ba", "ce", "do", "fi", "gra", "hu", "ki", "lo", "mi", "nu", "pla", "que", "ro", "sta", "tri", "ve"]
    ends = ["ck", "den", "ff", "ge", "ling", "mp", "nt", "per", "rd", "sh", "ster", "ten", "v", "w", "x", "zy"]
    found = {}
    while len(found) < count:
        parts = rng.integers(0, 16, size=rng.integers(3, 5))
        found["".join(starts[part] for part in parts[1:]) + ends[parts[0]]] = None
    return list(found)


rng = np.random.default_rng(SEED)
invented = invent_words(VOCABULARY, rng)
invented[:12]

# %%
FOOTER = (
    "\n--\nThis message and what is attached to it are meant for the shop's service desk only. "
    "Should you have come by it in any other way, please tell the sender and throw it away. "
    "Nothing in it is an order, a contract or a promise unless a clerk has confirmed it in writing. "
    "Prices are those of the day; goods that were opened can be returned within fourteen days.\n"
)


def write_messages(documents, rng):
    """Mail as it arrives: headers, sentences, what was answered to, a footer."""
    words = np.array(stop_words + invented, dtype=object)
    weights = 1.0 / (np.arange(len(words)) + 5.0)
    weights /= weights.sum()
    labels = (rng.random(documents) < 0.5).astype(int)
    lengths = np.clip(rng.lognormal(4.4, 0.35, documents).astype(int), 30, 400)
    drawn = words[rng.choice(len(words), size=lengths.sum(), p=weights)]
    messages, place = [], 0
    for number, (label, length) in enumerate(zip(labels, lengths)):
        tokens = list(drawn[place : place + length])
        place += length
        moods = (bad_words, good_words) if rng.random() > 0.04 else (good_words, bad_words)
        for position in rng.integers(0, length, size=3):
            tokens[position] = moods[label][position % 12]
        tokens[int(rng.integers(0, length))] = moods[1 - label][length % 12]
        sentences = [" ".join(tokens[begin : begin + 11]).capitalize() + "." for begin in range(0, length, 11)]
        body = " ".join(sentences)
        header = (
            f"From: customer{number}@example.com\nTicket: {number:06d}\nShop: {number % 17}\nX-Spool: {number * 7919:x}"
        )
        quoted = "\n".join("> " + sentence for sentence in sentences[:6])
        messages.append(f"{header}\n\n{body}\n\nYou wrote:\n{quoted}\n{FOOTER}")
    return messages, labels


# %%
messages, labels = write_messages(DOCUMENTS, rng)
len(messages), sum(len(message) for message in messages) / 1e6

# %%
print(messages[0][:600])

# %%
df = pd.DataFrame({"message": messages, "label": labels})
df.head()

# %%
df["label"].value_counts()

# %%
df["message"].str.len().describe()

# %%
ticket = re.compile(r"^Ticket: (\d+)$", re.MULTILINE)
shop = re.compile(r"^Shop: (\d+)$", re.MULTILINE)


def body_of(message):
    body = message.split("\n\n", 1)[1].split("\n\nYou wrote:", 1)[0]
    return re.sub(r"\s+", " ", body).lower()


body_of(messages[1])[:200]

# %% deterministic
df["body"] = [body_of(message) for message in df["message"]]
df["words"] = df["body"].str.count(" ") + 1

# %%
about = pd.DataFrame(
    {
        "ticket": [ticket.search(message).group(1) for message in messages],
        "shop": [int(shop.search(message).group(1)) for message in messages],
        "length": df["message"].str.len(),
        "spool": [len(message) % 97 for message in messages],
        "label": labels,
    }
)
about.head()

# %% undo
# an auxiliary frame: the spool's number is of no use
del about["spool"]
about.columns

# %%
by_shop = about.groupby("shop").agg(pleased=("label", "mean"), messages=("ticket", "size"), length=("length", "mean"))
by_shop.round(3)

# %%
fig, ax = plt.subplots(figsize=(8, 4))
for label, group in df.groupby("label")["words"]:
    ax.hist(group, bins=50, alpha=0.5, label="pleased" if label else "angry")
ax.set_xlabel("words")
ax.legend()

# %%
text_pos = list(df.loc[df["label"] == 1, "body"])
text_neg = list(df.loc[df["label"] == 0, "body"])
len(text_pos), len(text_neg)

# %%
text_neg[:2]

# %% deterministic
sentences = [sentence.strip() for body in df["body"] for sentence in body.split(".") if sentence.strip()]
len(sentences)

# %%
sentences[10:14]


# %% deterministic
def count_words(texts):
    counts = Counter()
    for text in texts:
        counts.update(text.replace(".", "").split())
    return counts


counts_pos = count_words(text_pos)
counts_neg = count_words(text_neg)
counts_pos.most_common(8)

# %%
total = counts_pos + counts_neg
print(len(total), "different words,", sum(total.values()), "in all;", sum(n == 1 for n in total.values()), "only once")

# %%
leaning = {word: np.log((counts_pos[word] + 1) / (counts_neg[word] + 1)) for word, count in total.items() if count > 20}
strongest = sorted(leaning, key=leaning.get)
strongest[:10], strongest[-10:]

# %% undo
fig, ax = plt.subplots(figsize=(7, 5))
shown = strongest[:12] + strongest[-12:]
ax.barh(shown, [leaning[word] for word in shown])
ax.set_title("Words that lean")

# %%
ranked = [count for _, count in total.most_common()]
fig, ax = plt.subplots()
ax.loglog(range(1, len(ranked) + 1), ranked)
ax.set(xlabel="rank", ylabel="count", title="A few words are most of the text")


# %%
# by hand first: the sum of the words' leanings
def by_hand(text):
    return int(sum(leaning.get(word, 0.0) for word in text.replace(".", "").split()) > 0)


checked = text_pos[:500] + text_neg[:500]
right = sum(by_hand(text) == (place < len(text_pos[:500])) for place, text in enumerate(checked))
right / len(checked)

# %%
# complaints that are still to be answered
text_neg.append("the parcel was late and the lamp is broken.")
text_neg[-1]

# %% deterministic long
vectorizer = CountVectorizer(min_df=2, stop_words=stop_words)
counts = vectorizer.fit_transform(df["body"])
counts.shape, counts.nnz

# %%
vocabulary = vectorizer.get_feature_names_out().tolist()
vocabulary[:10]

# %% deterministic
weighting = TfidfTransformer(sublinear_tf=True)
tfidf = weighting.fit_transform(counts)
tfidf[0].nnz

# %% deterministic
train_rows, test_rows = train_test_split(np.arange(len(df)), test_size=0.3, stratify=labels, random_state=SEED)
y_train, y_test = labels[train_rows], labels[test_rows]
X_train, X_test = tfidf[train_rows], tfidf[test_rows]
X_train.shape, X_test.shape

# %%
results = {}


def judge(name, answers):
    results[name] = f1_score(y_test, answers)
    print(f"{name}: {results[name]:.4f}")


# %% fork deterministic
bayes = MultinomialNB(alpha=0.3).fit(X_train, y_train)
judge("naive Bayes", bayes.predict(X_test))

# %% deterministic
complement = ComplementNB(alpha=0.3).fit(counts[train_rows], y_train)
judge("complement", complement.predict(counts[test_rows]))

# %% deterministic
svm = LinearSVC(C=0.3, random_state=SEED).fit(X_train, y_train)
judge("SVM", svm.predict(X_test))

# %%
order = np.argsort(svm.coef_[0])
print("angry:  ", [vocabulary[place] for place in order[:8]])
print("pleased:", [vocabulary[place] for place in order[-8:]])

# %% deterministic
sgd = SGDClassifier(loss="modified_huber", max_iter=200, random_state=SEED).fit(X_train, y_train)
judge("SGD", sgd.predict(X_test))

# %%
predicted = svm.predict(X_test)
print(classification_report(y_test, predicted, target_names=["angry", "pleased"]))

# %%
confusion = pd.DataFrame(confusion_matrix(y_test, predicted), index=["angry", "pleased"], columns=["angry", "pleased"])
confusion

# %%
mistakes = df.iloc[test_rows[predicted != y_test]][["body", "label"]].copy()
mistakes["margin"] = svm.decision_function(X_test)[predicted != y_test]
mistakes.sort_values("margin").head(3)

# %% deterministic long
pipeline = Pipeline([("words", TfidfVectorizer(min_df=2)), ("model", MultinomialNB())])
choices = {"words__ngram_range": [(1, 1), (1, 2)], "model__alpha": [0.1, 0.5]}
search = GridSearchCV(pipeline, choices, cv=3, scoring="f1", n_jobs=1)
search.fit(df["body"].iloc[train_rows[:GRID_DOCUMENTS]], y_train[:GRID_DOCUMENTS])
search.best_params_, round(search.best_score_, 4)

# %%
grid = pd.DataFrame(search.cv_results_)[["params", "mean_test_score", "std_test_score"]]
grid.sort_values("mean_test_score", ascending=False)

# %% deterministic long
# what are the messages about? the sparse matrix in few dimensions
svd = TruncatedSVD(n_components=12, n_iter=15, random_state=SEED)
topics = svd.fit_transform(tfidf)
for number, component in enumerate(svd.components_[:3]):
    print(number, [vocabulary[place] for place in np.argsort(component)[-6:]])

# %%
fig, ax = plt.subplots(figsize=(6, 6))
dots = np.random.default_rng(SEED).choice(len(topics), size=min(len(topics), 800), replace=False)
ax.scatter(topics[dots, 1], topics[dots, 2], c=labels[dots], s=5, cmap="coolwarm")
ax.set_title("Messages, two of their topics")

# %%
answer_first = [text for text, mark in zip(df["body"].iloc[test_rows], svm.decision_function(X_test)) if mark < -1.0]
print(len(answer_first), "messages to answer first")
pd.Series(results).sort_values(ascending=False)
