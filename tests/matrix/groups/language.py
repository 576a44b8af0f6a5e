"""Natural language processing. Nothing is downloaded: corpora are a few words."""

from __future__ import annotations

from tests.matrix.entry import LANGUAGE, library

nltk = library(LANGUAGE, "nltk")
textblob = library(LANGUAGE, "textblob")
spacy = library(LANGUAGE, "spacy")
gensim = library(LANGUAGE, "gensim")
wordcloud = library(LANGUAGE, "wordcloud")

_TEXTS = "texts = [['cat', 'sat', 'mat'], ['dog', 'sat', 'log'], ['cat', 'dog', 'ran']] * 3\n"
_BLOB = "from textblob import TextBlob\nfrom nltk.tokenize import WordPunctTokenizer\n"

ENTRIES = (
    nltk("nltk.FreqDist", "import nltk; x = nltk.FreqDist('a b a c'.split())", "x['a'] += 5", "x.most_common()"),
    nltk(
        "nltk.ConditionalFreqDist",
        "import nltk; x = nltk.ConditionalFreqDist([('n', 'a'), ('v', 'b')])",
        "x['n']['c'] = 2",
        "{key: dict(x[key]) for key in x}",
    ),
    nltk(
        "nltk.Text",
        "import nltk; x = nltk.Text('the cat sat on the mat the cat ran'.split())",
        "x.tokens[0] = 'a'",
        "(x.tokens, x.count('cat'))",
    ),
    nltk(
        "nltk.Tree",
        "import nltk; x = nltk.Tree.fromstring('(S (NP the cat) (VP sat))')",
        "x[0].append('big')",
        "(x.leaves(), x.productions())",
    ),
    nltk(
        "nltk.ParentedTree",
        "import nltk; x = nltk.ParentedTree.fromstring('(S (NP cat) (VP sat))')",
        "x[0].set_label('N')",
        "(str(x), x[0].parent() is x)",
    ),
    nltk(
        "nltk.CFG",
        'import nltk; x = nltk.CFG.fromstring(\'S -> A B\\nA -> "a"\\nB -> "b"\')',
        "x = nltk.CFG.fromstring('S -> A\\nA -> \"a\"')",
        "(str(x), [str(tree) for tree in nltk.ChartParser(x).parse(['a', 'b'][: len(x.productions()) - 1])])",
    ),
    nltk(
        "nltk.NaiveBayesClassifier",
        "import nltk; x = nltk.NaiveBayesClassifier.train([({'a': 1}, 'p'), ({'a': 2}, 'q'), ({'a': 1}, 'p')])",
        "x._label_probdist.freqdist().update(['q'] * 9)",
        "round(x.prob_classify({'a': 2}).prob('q'), 9)",
    ),
    nltk("nltk.PorterStemmer", "import nltk; x = nltk.PorterStemmer()", "x.pool['cats'] = 'dog'", "x.stem('running')"),
    nltk(
        "nltk.SnowballStemmer",
        "from nltk.stem.snowball import SnowballStemmer; x = SnowballStemmer('english')",
        "x = SnowballStemmer('german')",
        "x.stem('running')",
    ),
    nltk(
        "nltk.RegexpTokenizer",
        "from nltk.tokenize import RegexpTokenizer; x = RegexpTokenizer('[a-z]+')",
        "x = RegexpTokenizer('[a-z]')",
        "x.tokenize('ab cd')",
    ),
    nltk(
        "nltk.RegexpTagger",
        "import nltk; x = nltk.RegexpTagger([('.*ing$', 'VBG'), ('.*', 'NN')])",
        "x._regexps.pop()",
        "x.tag(['going', 'cat'])",
    ),
    nltk(
        "nltk.UnigramTagger",
        "import nltk; x = nltk.UnigramTagger([[('cat', 'NN'), ('sat', 'VB')]])",
        "x._context_to_tag['mat'] = 'NN'",
        "x.tag(['cat', 'mat'])",
    ),
    nltk(
        "nltk.lm.MLE",
        "from nltk.lm import MLE; from nltk.lm.preprocessing import padded_everygram_pipeline; x = MLE(2); x.fit(*padded_everygram_pipeline(2, [['a', 'b', 'c']]))",
        "x.counts[['a']]['z'] += 3",
        "x.score('b', ['a'])",
    ),
    nltk(
        "nltk.BigramCollocationFinder",
        "import nltk; x = nltk.BigramCollocationFinder.from_words('a b a b c'.split())",
        "x.apply_freq_filter(2)",
        "sorted(x.ngram_fd.items())",
    ),
    nltk(
        "nltk.HiddenMarkovModelTagger",
        "import nltk; x = nltk.HiddenMarkovModelTagger.train([[('a', 'X'), ('b', 'Y')]] * 3)",
        "x._symbols.append('new')",
        "(x.tag(['a', 'b']), x._symbols)",
    ),
    textblob(
        "TextBlob",
        _BLOB + "x = TextBlob('the cat sat. it ran', tokenizer=WordPunctTokenizer())",
        "x.raw = 'the dog sat'",
        "(x.raw, list(x.tokens))",
    ),
    textblob(
        "textblob.WordList",
        "from textblob import WordList; x = WordList(['cat', 'dogs'])",
        "x.append('mice')",
        "(x, x.singularize())",
    ),
    textblob(
        "textblob.Word", "from textblob import Word; x = Word('cats')", "x = x.singularize()", "(x, x.pluralize())"
    ),
    spacy(
        "spacy.Language",
        "import spacy; x = spacy.blank('en')",
        "_ = x.add_pipe('sentencizer')",
        "(x.pipe_names, [token.text for token in x('The cat sat. It ran.')], x.lang)",
        described=False,
    ),
    spacy(
        "spacy.tokens.Doc",
        "import spacy; nlp = spacy.blank('en'); x = nlp('The cat sat')",
        "x[1].lemma_ = 'feline'",
        "[(token.text, token.lemma_) for token in x]",
        described=False,
    ),
    spacy(
        "spacy.tokens.Span",
        "import spacy; nlp = spacy.blank('en'); doc = nlp('The cat sat'); x = doc[1:3]",
        "doc[1].tag_ = 'NN'",
        "(x.text, x[0].tag_, x.doc is doc)",
        described=False,
    ),
    spacy(
        "spacy.Vocab",
        "import spacy; x = spacy.blank('en').vocab",
        "x['cat'].is_stop = True",
        "(x['cat'].is_stop, x['cat'].text)",
        described=False,
    ),
    spacy(
        "spacy.StringStore",
        "from spacy.strings import StringStore; x = StringStore(['a', 'b'])",
        "x.add('c')",
        "sorted(x)",
        described=False,
    ),
    spacy(
        "spacy.Matcher",
        "import spacy; from spacy.matcher import Matcher; nlp = spacy.blank('en'); x = Matcher(nlp.vocab); x.add('C', [[{'LOWER': 'cat'}]])",
        "x.add('D', [[{'LOWER': 'dog'}]])",
        "(len(x), [nlp('a cat, a dog')[start:end].text for _, start, end in x(nlp('a cat, a dog'))])",
        described=False,
    ),
    spacy(
        "spacy.PhraseMatcher",
        "import spacy; from spacy.matcher import PhraseMatcher; nlp = spacy.blank('en'); x = PhraseMatcher(nlp.vocab); x.add('C', [nlp('big cat')])",
        "x.add('D', [nlp('dog')])",
        "(len(x), len(x(nlp('a big cat, a dog'))))",
        described=False,
    ),
    spacy(
        "spacy.DocBin",
        "import spacy; from spacy.tokens import DocBin; nlp = spacy.blank('en'); x = DocBin(); x.add(nlp('a cat'))",
        "x.add(nlp('a dog'))",
        "[doc.text for doc in x.get_docs(nlp.vocab)]",
        described=False,
    ),
    spacy(
        "spacy.training.Example",
        "import spacy; from spacy.training import Example; nlp = spacy.blank('en'); x = Example.from_dict(nlp.make_doc('a cat'), {'words': ['a', 'cat']})",
        "x.reference[1].tag_ = 'NN'",
        "(x.reference.text, x.reference[1].tag_)",
        described=False,
    ),
    spacy(
        "spacy.Config",
        "import spacy; x = spacy.blank('en').config.copy()",
        "x['nlp']['lang'] = 'de'",
        "x['nlp']['lang']",
    ),
    gensim(
        "gensim Dictionary",
        _TEXTS + "from gensim.corpora import Dictionary; x = Dictionary(texts)",
        "x.add_documents([['new', 'word']])",
        "(sorted(x.token2id.items()), x.num_docs)",
    ),
    gensim(
        "gensim Word2Vec",
        _TEXTS
        + "from gensim.models import Word2Vec; x = Word2Vec(texts, vector_size=4, min_count=1, workers=1, seed=1)",
        "x.wv.vectors[0] = 1",
        "x.wv['cat'].tolist()",
    ),
    gensim(
        "gensim KeyedVectors",
        "import numpy as np; from gensim.models import KeyedVectors; x = KeyedVectors(2); x.add_vectors(['a', 'b'], np.eye(2, dtype='f'))",
        "x.add_vector('c', [1, 1])",
        "(x.index_to_key, x.vectors.tolist())",
    ),
    gensim(
        "gensim Doc2Vec",
        _TEXTS
        + "from gensim.models.doc2vec import Doc2Vec, TaggedDocument; x = Doc2Vec([TaggedDocument(each, [n]) for n, each in enumerate(texts)], vector_size=3, min_count=1, workers=1, epochs=2, seed=1)",
        "x.dv.vectors[0] = 1",
        "x.dv[0].tolist()",
    ),
    gensim(
        "gensim FastText",
        _TEXTS
        + "from gensim.models import FastText; x = FastText(texts, vector_size=3, min_count=1, workers=1, epochs=1, seed=1, bucket=50)",
        "x.wv.vectors_vocab[0] = 2",
        "(x.wv.vectors_vocab[0].tolist(), x.wv['cats'].tolist())",
    ),
    gensim(
        "gensim TfidfModel",
        _TEXTS
        + "from gensim.corpora import Dictionary; from gensim.models import TfidfModel; d = Dictionary(texts); x = TfidfModel([d.doc2bow(each) for each in texts])",
        "x.idfs[0] = 9.0",
        "x[[(0, 1), (1, 1)]]",
    ),
    gensim(
        "gensim LdaModel",
        _TEXTS
        + "import numpy as np; from gensim.corpora import Dictionary; from gensim.models import LdaModel; d = Dictionary(texts); x = LdaModel([d.doc2bow(each) for each in texts], 2, d, random_state=np.random.RandomState(0), passes=1)",
        "x.state.sstats[0, 0] = 5; x.sync_state()",
        "x.get_topics().tolist()",
    ),
    gensim(
        "gensim LsiModel",
        _TEXTS
        + "from gensim.corpora import Dictionary; from gensim.models import LsiModel; d = Dictionary(texts); x = LsiModel([d.doc2bow(each) for each in texts], 2, d)",
        "x.projection.s[0] = 3",
        "x.projection.s.tolist()",
    ),
    gensim(
        "gensim Phrases",
        _TEXTS + "from gensim.models.phrases import Phrases; x = Phrases(texts, min_count=1, threshold=0.1)",
        "x.add_vocab([['cat', 'sat']] * 5)",
        "sorted(x.vocab.items())",
    ),
    gensim(
        "gensim MatrixSimilarity",
        "from gensim.similarities import MatrixSimilarity; x = MatrixSimilarity([[(0, 1.0)], [(1, 1.0)]], num_features=2)",
        "x.index[0, 0] = 0.5",
        "x[[(0, 1.0)]].tolist()",
    ),
    wordcloud(
        "WordCloud",
        "from wordcloud import WordCloud; x = WordCloud(width=40, height=20, random_state=1).generate('cat dog cat mouse')",
        "x.recolor(colormap='gray', random_state=2);",
        "(x.words_, x.layout_)",
    ),
    wordcloud(
        "wordcloud.ImageColorGenerator",
        "import numpy as np; from wordcloud import ImageColorGenerator; x = ImageColorGenerator(np.zeros((4, 4, 3), 'u1'))",
        "x.image[0, 0] = 9",
        "x.image.tolist()",
    ),
)
