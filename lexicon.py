"""The words `utils` reads stories by: one table per question, one entry per language (ISO 639-1).

Pure data. An entry that ends in `*` is a stem (`mountain*` finds `mountains`); `TIME_PHRASES` and `TIME_OPENERS` hold
regular expressions because "three days later" is a pattern, not a word.
"""

from __future__ import annotations

# --- Headings --------------------------------------------------------------------------------------------------

# What a heading of the story calls itself, by how much of the story it opens: 4 a part, 3 a chapter or act, 2 a scene.
HEADING_WORDS: dict[int, str] = {
    4: (
        "part book volume teil buch band partie livre tome parte libro tomo часть книга том livro kısım kitap cilt "
        "الجزء الكتاب جزء كتاب भाग खंड खण्ड"
    ),
    3: (
        "chapter act kapitel akt aufzug chapitre acte capítulo capitulo acto jornada глава действие акт capitolo atto "
        "ato bölüm perde الفصل فصل باب الباب अध्याय अंक परिच्छेद"
    ),
    2: (
        "scene page szene bild auftritt seite scène tableau escena cuadro página pagina сцена картина явление страница "
        "scena quadro cena sahne sayfa المشهد مشهد صفحة दृश्य पृष्ठ"
    ),
}

# Headings that need no number.
LONE_HEADINGS = (
    "prologue epilogue prolog epilog prólogo epílogo prologo epilogo пролог эпилог introduction preface foreword "
    "einleitung vorwort nachwort introducción prefacio préface avant-propos introduzione prefazione interlude "
    "intermezzo zwischenspiel interludio предисловие введение послесловие introdução prefácio önsöz sonsöz مقدمة "
    "المقدمة خاتمة الخاتمة प्रस्तावना उपसंहार 序 序章 序幕 楔子 引子 终章 終章 尾声 尾聲 プロローグ エピローグ "
    "프롤로그 에필로그"
)

# Ordinals and numbers as headings spell them, as stems.
NUMBER_STEMS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty first second third fourth fifth sixth seventh eighth ninth tenth "
    "eleventh twelfth last erst zweit dritt viert fünft sechst siebt siebent acht neunt zehnt elft zwölft letzt eins "
    "zwei drei vier fünf sechs sieben neun zehn elf zwölf premi deuxi second trois quatri cinqui sixi septi huiti "
    "neuvi dixi onzi douzi derni un une deux quatre cinq sept huit neuf dix onze douze primer segund tercer cuart "
    "quint sext séptim octav noven décim undécim duodécim últim uno dos tres cuatro cinco seis siete ocho nueve diez "
    "once doce prim secondo seconda terz quart sest settim ottav non decim undicesim ultim due tre quattro cinque sei "
    "sette otto nove dieci перв втор трет четв пят шест седьм восьм девят десят одиннадцат двенадцат последн terceir "
    "quarta quarto oitav dois duas três quatro sete oito dez birinci ikinci üçüncü dördüncü beşinci altıncı yedinci "
    "sekizinci dokuzuncu onuncu bir iki üç dört beş altı yedi sekiz dokuz on الأول الثاني الثالث الرابع الخامس السادس "
    "السابع الثامن التاسع العاشر الأولى الثانية الثالثة الرابعة الخامسة الحادي पहला पहली दूसरा दूसरी तीसरा "
    "तीसरी चौथा चौथी पाँचवा पाँचवाँ छठा "
    "सातवा आठवा नौवा दसवा एक दो तीन चार पाँच छह सात आठ नौ दस"
)

# Lines that close a story; they open nothing.
CLOSING_LINES = (
    "the end|end|fin|ende|das ende|fine|fim|el fin|конец|son|النهاية|تمت|समाप्त|完|终|終|終わり|おわり|全文完|끝"
)

# --- Time ------------------------------------------------------------------------------------------------------

# A time that is told: "the next morning", "three days later". Searched without regard to case.
TIME_PHRASES: dict[str, str] = {
    "en": (
        r"\b(?:(?:the|that|this|one|next|following|same|every|late|early|each|by|at|all|last|in|on|until|till|toward|"
        r"towards|before|after|several|some|many|few|a|an|two|three|four|five|six|seven|eight|nine|ten|twenty|"
        r"another|\d+) ){1,4}(?:\w+ )?(?:mornings?|afternoons?|evenings?|nights?|midnight|noon|dawn|"
        r"daybreak|dusk|sunset|"
        r"sunrise|twilight|nightfall|dark|days?|weeks?|months?|years?|spring|summer|autumn|winter|hours?|minutes?|"
        r"seconds?|weekend|breakfast|lunch|dinner|supper|monday|tuesday|wednesday|thursday|friday|saturday|sunday|"
        r"january|february|april|june|july|august|september|october|november|december)\b|"
        r"\b(?:mornings?|afternoon|evening|night|hours?|minutes?|days?|weeks?|months?|years?|seconds?) "
        r"(?:later|after|afterwards?|before|passed|went|came|fell)\b|"
        r"\b(?:tomorrow|tonight|yesterday|midnight|daybreak|nightfall|o['’]clock|a\.m\.|p\.m\.|in (?:1[0-9]|20)\d\d)\b"
    ),
    "de": (
        r"\b(?:am|im|in|an|zu|gegen|seit|bis|vor|nach|eines|jeden|den|der|die|das|dem|diesem|diesen|"
        r"jenem|jener|nächste[nrsm]?|"
        r"folgende[nrsm]?|andere[nrsm]?|selben|ganze[nrsm]?|letzte[nrsm]?|zwei|drei|vier|fünf|"
        r"einige[nrsm]?|wenige[nrsm]?) (?:\w+ )?"
        r"(?:morgens?|vormittags?|mittags?|nachmittags?|abends?|nachts?|mitternacht|tag(?:e[sn]?)?|"
        r"wochen?|monate?n?|jahre?n?|"
        r"stunden?|minuten?|frühlings?|sommers?|herbst(?:es)?|winters?|dämmerung|sonnenaufgang|"
        r"sonnenuntergang|sonntags?|montags?|"
        r"dienstags?|mittwochs?|donnerstags?|freitags?|samstags?)\b|\b(?:tags darauf|tags zuvor|"
        r"morgen früh|heute|gestern|"
        r"später|mitternacht)\b"
    ),
    "fr": (
        r"\b(?:le|la|les|ce|cette|un|une|au|à|dès|vers|chaque|après|avant|pendant|deux|trois|quatre|"
        r"quelques|plusieurs|ces) (?:\w+ )?"
        r"(?:matin(?:ée)?|midi|après-midi|soir(?:ée)?|nuit|minuit|aube|aurore|crépuscule|jours?|"
        r"journée|lendemain|semaines?|mois|"
        r"ans|années?|heures?|minutes?|printemps|été|automne|hiver|dimanche|lundi|mardi|mercredi|"
        r"jeudi|vendredi|samedi|veille)\b|"
        r"\bl['’](?:aube|aurore|été|automne|hiver|après-midi|année)\b|\b(?:plus tard|demain|hier|le lendemain|minuit)\b"
    ),
    "es": (
        r"\b(?:al (?:otro )?día siguiente|(?:el|al) d[ií]a anterior)\b|"
        r"\b(?:el|la|los|las|al|a la|del|de la|una|un|aquella?|aquel|esa|ese|esta|este|cada|por la|"
        r"dos|tres|cuatro|cinco|pocos|"
        r"pocas|algunos|algunas|varios|unos|unas|media) (?:\w+ )?(?:mañana|mediodía|tarde|noche|"
        r"medianoche|madrugada|amanecer|alba|"
        r"anochecer|atardecer|crepúsculo|días?|semanas?|mes(?:es)?|años?|horas?|minutos?|primavera|"
        r"verano|otoño|invierno|domingo|"
        r"lunes|martes|miércoles|jueves|viernes|sábado|víspera)\b|\b(?:más tarde|"
        r"al (?:otro )?día siguiente|al cabo de|ayer|"
        r"anoche|han (?:corrido|pasado)|pasaron)\b"
    ),
    "it": (
        r"\b(?:il|la|le|lo|i|gli|un|una|al|alla|nel|nella|quel|quella|quello|questa|ogni|di|dopo|due|"
        r"tre|quattro|pochi|poche|"
        r"qualche|verso) (?:\w+ )?(?:mattin[aeo]|mezzogiorno|pomeriggio|ser[ae]|nott[ei]|mezzanotte|"
        r"tramonto|giorn[oi]|settiman[ae]|"
        r"mes[ei]|ann[oi]|or[ae]|minut[oi]|primavera|estate|autunno|inverno|domenica|lunedì|martedì|"
        r"mercoledì|giovedì|venerdì|"
        r"sabato|vigilia)\b|\ball['’](?:alba|indomani)\b|\b(?:più tardi|domani|ieri|l['’]indomani|il giorno dopo)\b"
    ),
    "pt": (
        r"\b(?:o|a|os|as|no|na|ao|à|um|uma|naquel[ea]|aquel[ea]|ness[ea]|nest[ea]|cada|de|depois|dois|"
        r"duas|três|quatro|poucos|"
        r"poucas|alguns|algumas|toda) (?:\w+ )?(?:manhã|meio-dia|tarde|noite|meia-noite|madrugada|"
        r"amanhecer|anoitecer|entardecer|"
        r"dias?|semanas?|m[eê]s(?:es)?|anos?|horas?|minutos?|primavera|verão|outono|inverno|domingo|"
        r"segunda|sexta|sábado|véspera)"
        r"\b|\b(?:mais tarde|no dia seguinte|amanhã|ontem)\b"
    ),
    "ru": (
        r"\b(?:на следующ\w+|на друго\w+|следующ\w+|одн\w+|эт\w+|т\w{1,2}|ранн\w+|поздн\w+|кажд\w+|"
        r"через|спустя|в|к|до|под|"
        r"несколько|дв\w|тр\w+) (?:\w+ )?(?:утр\w+|полд\w+|вечер\w*|ноч\w+|полноч\w*|рассвет\w*|"
        r"закат\w*|сумер\w+|дн\w+|день|"
        r"недел\w+|месяц\w*|год\w*|лет|час\w*|минут\w*|весн\w+|лет\w+|осен\w+|зим\w+)\b|\b(?:утром|"
        r"вечером|ночью|днём|днем|"
        r"назавтра|наутро|завтра|вчера|полночь|на рассвете|позже)\b"
    ),
    "tr": (
        r"\b(?:ertesi|o|bir|bu|her|ilk|son|iki|üç|dört|beş|birkaç|önceki|"
        r"sonraki) (?:\w+ )?(?:sabah\w*|öğle\w*|akşam\w*|gece\w*|"
        r"gün\w*|hafta\w*|ay|yıl\w*|saat\w*|dakika\w*|bahar\w*|yaz|sonbahar|kış\w*)\b|\b(?:sabahleyin|"
        r"akşamleyin|geceleyin|"
        r"şafakta|gece yarısı|yarın|dün|sabah|daha sonra)\b|\b(?:gün|saat|yıl|ay|hafta|dakika) sonra\b"
    ),
    "ar": (
        r"(?:و)?(?:في )?(?:اليوم|الصباح|المساء) التالي|"
        r"(?:في|وفي|ذات|بعد|وبعد|قبل|منذ|كل|عند|وعند) (?:\S+ )?(?:ال)?(?:صباح|ظهر|ظهيرة|عصر|مساء|ليل|"
        r"ليلة|منتصف|فجر|غروب|شروق|"
        r"يوم|أيام|الأيام|أسبوع|أسابيع|شهر|أشهر|شهور|سنة|سنوات|سنين|عام|أعوام|ساعة|ساعات|دقائق|ربيع|"
        r"صيف|خريف|شتاء|غد)\b|"
        r"\b(?:صباحا|صباحاً|مساء|مساءً|ليلا|ليلاً|غدا|غداً|أمس|اليوم التالي|منتصف الليل)\b"
    ),
    "hi": (
        r"(?:अगले|अगली|दूसरे|उस|उसी|एक|इस|हर|रोज़?|कुछ|कई|दो|तीन|चार|पाँच|पिछले|उन) (?:\S+ )?(?:सुबह|"
        r"सवेरे|दोपहर|शाम|रात|दिनों?|"
        r"सप्ताह|हफ़्ते|हफ्ते|महीने|महीनों|साल|सालों|वर्षों?|घंटे|घंटों|मिनट|देर|पल|बार|समय)|(?:के|"
        r"थोड़ी देर) बाद|आधी रात|भोर|"
        r"सुबह-सुबह|कल सुबह|सुबह होते|रात को|शाम को|दिन भर"
    ),
    "zh": (
        r"(?:第[二三四五六七八九十两]|次|翌|隔|当|當|那|这|這|每|同|前|后|後|有一)(?:一)?(?:天|日|夜|"
        r"晚|早|晨|年|月|周|星期)(?:早上|早晨|晚上|清晨|"
        r"傍晚|夜里|夜|晚|早)?|[一二两三四五六七八九十几数半]+(?:个|個)?(?:天|日|夜|年|月|周|星期|"
        r"小时|小時|分钟|分鐘|时辰)(?:之)?(?:后|後|以后|过去|以前)|"
        r"(?:清晨|早晨|早上|上午|中午|正午|下午|傍晚|黄昏|黃昏|晚上|夜晚|夜里|半夜|深夜|午夜|黎明|"
        r"天亮|天黑|日落|次早|是夜|当晚|當晚|翌日|明天|昨天|"
        r"春天|夏天|秋天|冬天|有一次|有一天|一天|后来|後來|不久|从此)"
    ),
    "ja": (
        r"(?:翌日|翌朝|次の日|次の朝|つぎの日|そのあくる日|あくる日|あくる朝|その日|その夜|その晩|"
        r"ある日|ある朝|ある晩|ある夜|或日|或秋|"
        r"[一二三四五六七八九十数何]+(?:日|年|月|週間|か月|時間|分)(?:ほど)?(?:後|のち|たって|たつと|"
        r"たった|して)|朝|昼|夕方|夕暮れ|夜|晩|真夜中|明け方|夜明け|"
        r"まもなく|しばらく(?:する|し)|やがて|そのうち|半時間|数日|つぎの|月夜|春|夏|秋|冬)"
    ),
    "ko": (
        r"(?:다음|이튿|그|어느|어떤|매일|며칠|한|두|세|몇|오늘|그날|지난) ?(?:날|아침|저녁|밤|오후|해|"
        r"주|달|년|시간|분|봄|여름|가을|겨울)|(?:아침|점심|저녁|한밤중|"
        r"새벽|자정|오후|오전|해질녘|밤)(?:에|이|마다)?|(?:년|달|일|시간|분|주|날) ?(?:후|뒤|동안|"
        r"이 지나|쯤)|얼마 (?:후|뒤)|잠시 후|나중에"
    ),
}

# Words that open a step in the telling: "meanwhile", "as soon as".
TIME_OPENERS: dict[str, str] = {
    "en": (
        r"(?:and |but |so )?(?:meanwhile|afterwards?|later|at last|at length|finally|presently|soon|"
        r"then|when|once|since|"
        r"eventually|after|before|until|while|as soon as|by the time|it was|there was|for (?:a|some|"
        r"several|the|two|three|"
        r"many)|during|now|suddenly|all at once|an hour|in the|at the|on the|outside|inside|back)\b"
    ),
    "de": (
        r"(?:und |aber )?(?:inzwischen|unterdessen|danach|darauf|später|endlich|schließlich|bald|dann|"
        r"als|nachdem|bevor|"
        r"während|sobald|kaum|es war|plötzlich|seit|nun|da|einmal|draußen)\b"
    ),
    "fr": (
        r"(?:et |mais )?(?:cependant|pendant|ensuite|puis|enfin|bientôt|quand|lorsque|après|avant|"
        r"depuis|dès que|à peine|"
        r"soudain|tout à coup|c['’]était|il était|comme|maintenant|aussitôt|peu à peu|une fois|dehors)\b"
    ),
    "es": (
        r"(?:y |pero )?(?:mientras|después|luego|entonces|por fin|finalmente|al fin|pronto|cuando|"
        r"antes|desde|apenas|de "
        r"repente|de pronto|era|había|al cabo|ahora|ya|una vez|un día|dentro de|tras|poco)\b"
    ),
    "it": (
        r"(?:e |ma )?(?:intanto|frattanto|dopo|poi|infine|finalmente|presto|quando|prima|appena|mentre|da quando|"
        r"all['’]improvviso|era|c['’]era|ora|una volta|fuori)\b"
    ),
    "pt": (
        r"(?:e |mas )?(?:enquanto|entretanto|depois|então|por fim|finalmente|logo|quando|antes|desde|"
        r"mal|de repente|era|"
        r"havia|agora|uma vez|lá fora)\b"
    ),
    "ru": (
        r"(?:и |а |но )?(?:тем временем|между тем|потом|затем|наконец|вскоре|скоро|когда|после|прежде|пока|едва|вдруг|"
        r"был[ао]?|теперь|однажды|как только|с тех пор|тогда)\b"
    ),
    "tr": (
        r"(?:ve |ama )?(?:bu arada|sonra|sonunda|nihayet|yakında|derken|birden|bir gün|bir zamanlar|artık|"
        r"önce|o sırada)\b"
    ),
    "ar": r"(?:و|ف)?(?:بعد|ثم|عندما|حين|حينما|لما|فلما|قبل|أخيرا|أخيراً|فجأة|بينما|كان|كانت|ذات|في|الآن|منذ|إذ)\b",
    "hi": (
        r"(?:और |पर |लेकिन )?(?:फिर|तब|जब|बाद|अंत में|आख़िर|आखिर|अचानक|इसी बीच|एक दिन|एक बार|अब|तभी|"
        r"इतने में|थोड़ी|आगे|जैसे ही)"
    ),
    "zh": (
        r"(?:且说|却说|話說|话说|后来|後來|然后|然後|于是|於是|终于|終於|忽然|突然|不久|一会|这时|這時|"
        r"那时|當|当|过了|過了|等到|直到|从此|原来)"
    ),
    "ja": (
        r"(?:そこで|それから|すると|やがて|まもなく|しばらく|とうとう|突然|ついに|そのとき|その後|むかし|"
        r"昔|いま|あるとき|そのうち)"
    ),
    "ko": r"(?:그리고|그 ?후|그러던|마침내|드디어|곧|갑자기|그때|그 때|한편|나중에|어느|이제|결국|옛날)",
}

# --- Words that only hold sentences together -------------------------------------------------------------------

PRONOUNS: dict[str, str] = {
    "en": "he she it they we i you his her their its him them this that these those my our your",
    "de": "er sie es wir ich du ihr sein seine ihre ihm ihn ihnen das dies dieser diese mein man",
    "fr": "il elle ils elles on je tu nous vous ce c cela ça son sa ses leur leurs celui celle",
    "es": "él ella ellos ellas yo tú usted nosotros su sus esto eso éste ésta este esta aquello",
    "it": "egli ella lui lei essi esse loro io tu noi voi ciò questo questa quello suo sua",
    "pt": "ele ela eles elas eu tu você nós seu sua isto isso aquilo este esta",
    "ru": "он она оно они я ты мы вы его её ее их это этот эта ему ей им",
    "tr": "o onlar ben sen biz siz bu şu onun onu ona",
    "ar": "هو هي هم هما أنا أنت نحن هذا هذه ذلك تلك",
    "hi": "वह वे यह ये मैं तू तुम हम आप उसने उसके उसकी उसका उसे उन्होंने उनके इसने",
    "zh": "他 她 它 他们 她们 它们 我 我们 你 这 那",
    "ja": "彼 彼女 彼ら それ これ あれ 私 わたし ぼく",
    "ko": "그 그는 그녀 그녀는 그들 그들은 그가 나는 우리 이 저",
}

# Words that tie a sentence to the one before it.
CONNECTIVES: dict[str, str] = {
    "en": "but and so or yet for still then now well yes no nor however therefore also instead",
    "de": "aber und so oder doch denn also sondern ja nein nun trotzdem deshalb darum auch",
    "fr": "mais et alors ou car donc puis oui non or aussi pourtant",
    "es": "pero y e así o pues sí no sino entonces también sin",
    "it": "ma e ed così o però dunque sì no quindi anche eppure",
    "pt": "mas e assim ou pois sim não então também porém",
    "ru": "но и а так или да нет же тогда однако зато тоже поэтому",
    "tr": "ama ve fakat öyleyse veya evet hayır yani çünkü oysa",
    "ar": "لكن ولكن أو نعم لا بل لأن إذن فإن",
    "hi": "पर और लेकिन तो या हाँ नहीं मगर इसलिए क्योंकि",
    "zh": "但 但是 可是 所以 因为 而 不过 而且 也 又",
    "ja": "しかし でも だから けれども そして また が",
    "ko": "그러나 하지만 그래서 그런데 그리고 또 또한 왜냐하면",
}

# The commonest small words: they tell the language, and they are never names or subjects.
STOP_WORDS: dict[str, str] = {
    "en": (
        "the and of to a in that it is was i for on you he be with as by at have are this not but had his they "
        "from she "
        "which or we an were been has their said what there if would will all so them when who him into out could my "
        "then her me no do your up about its over did down very now just like than been any only some other how our "
        "again where here off more can one even before after through around back against upon why yes oh well "
        "too mr mrs"
    ),
    "de": (
        "der die das und ist in zu den von mit sich auf für nicht ein eine als auch es an werden aus er hat dass sie "
        "nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis "
        "mehr durch "
        "man sein wurde sei ich du wir ihr ihm ihn mich dir mir was wenn da dann doch schon hier ja nein kein keine im "
        "hatte waren seine ihre seiner ihrer seinen ihren diese dieser dieses wieder unter mein dein denn nun"
    ),
    "fr": (
        "le la les de des du et un une en que qui dans il elle est pour pas au aux ne se ce sur par plus son sa ses "
        "avec je vous nous ils elles on mais ou où lui leur était avait sont a à y si tout tous cette cet comme bien "
        "sans fait faire être avoir c'est j'ai m'a n'est qu'il qu'elle d'un d'une l'on même encore puis quand oui non "
        "mon ma mes votre notre leurs très donc alors ces dit moi toi"
    ),
    "es": (
        "el la los las de del y que en un una a no se por con su para es al lo como más o pero sus le ya este "
        "sí porque "
        "esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno les "
        "ni contra "
        "otros ese eso ante ellos e esto mí antes algunos qué unos yo otro otras otra él tanto esa estos mucho quienes "
        "nada muchos cual poco ella estar estas había era fue don doña tan si mi tu te dijo"
    ),
    "it": (
        "il la lo le gli i di del della dei delle e che in un una a non si per con su è al alla da dal come più o ma "
        "sono anche ha nel nella mi ti ci ne se quando era aveva questo questa quello chi dove così già poi ancora suo "
        "sua suoi loro lui lei io tu noi cosa tutto tutti perché bene senza molto ed ad essere fu disse"
    ),
    "pt": (
        "o a os as de do da dos das e que em um uma não se por com para no na nos nas ao à é como mais ou mas seu sua "
        "seus suas ele ela eles elas eu você foi era tinha também já quando muito sem sobre até isso isto este esta "
        "aquele depois ainda entre me te lhe nem só são está pelo pela disse então onde quem tudo"
    ),
    "ru": (
        "и в не на что он я с как а то все она так его но да ты к у же вы за бы по только её ее мне было вот от меня "
        "ещё еще нет о из ему теперь когда даже ну вдруг ли если уже или ни быть был него до вас нибудь опять уж вам "
        "ведь там потом себя ничего ей может они тут где есть надо ней для мы тебя их чем была сам чтоб без будто чего "
        "раз тоже себе под будет тогда кто этот того потому этого какой это"
    ),
    "tr": (
        "ve bir bu da de için ile o ne çok gibi daha var kadar ama sonra olan olarak ki mi mı mu mü ben sen biz siz "
        "onlar onu ona onun her şey değil diye dedi en ya hiç bile kendi şu böyle öyle oldu vardı yok iki ise "
        "hem çünkü "
        "artık nasıl neden"
    ),
    "pl": "i w nie na się że to z jest do jak ale co po tak za od go czy był już o jej tylko jego przez był była był",
    "nl": "de het een en van in is dat op te zijn met voor niet aan er om ook als dan maar bij hij zij was haar zich",
    "sv": "och att det i en som är av för på med den till han var inte om hon ett men sig jag så från hade de",
    "ar": (
        "في من على إلى أن ما لا هو هي كان كانت هذا هذه ذلك تلك التي الذي عن مع إن قد لم ثم أو و كل بعد قبل عند "
        "بين حتى إذا "
        "لو له لها لهم به بها فيه فيها منه منها عليه عليها إليه إليها لك لي بل غير أي يا كما لقد فقد وقد ولا "
        "وما فلما لما الذين "
        "وهو وهي أما إلا أنت أنا نحن هم قال قالت فقال"
    ),
    "hi": (
        "के में की है से को और का एक पर ने हैं भी यह वह था थी थे तो ही कि हो कर लिए नहीं इस उस जो कुछ अपने अपनी "
        "अपना गया "
        "गई गए सब क्या या तक जब तब फिर बहुत साथ बाद वे ये मैं तुम हम आप उसे उसने उन मुझे अब रहा रही रहे करने "
        "कहा सकता कोई किसी"
    ),
    "zh": (
        "他们 我们 你们 她们 它们 自己 什么 这个 那个 一个 没有 不是 就是 可以 这样 那样 怎么 因为 所以 但是 于是 然后 "
        "大家 有人 众人 这时 那时 现在 时候 起来 出来 知道 看见 二人 三人 左右 其人 先生 又 便 却 都 也 只 忙 "
        "笑 就 大 因 急 遂 乃"
    ),
    "ja": (
        "それ これ あれ どれ そこ ここ あそこ どこ だれ 誰 みんな 自分 何 私 彼 彼女 彼ら 今 時 人 もの こと "
        "とき ところ そう"
    ),
    "ko": (
        "그 그는 그가 그의 그녀 그것 이것 저것 우리 나 너 저 그들 그들은 것 수 때 안 더 또 다 모두 사람 아무 "
        "누가 누구 무엇 왜 여기 거기"
    ),
}

# --- Places ----------------------------------------------------------------------------------------------------

# What stands behind a place word, in the vocabulary of the draft painter: kind → language → words.
PLACES: dict[str, dict[str, str]] = {
    "interior": {
        "en": (
            "room bedroom kitchen house home hut hall cabin attic cellar basement parlour parlor study library office "
            "apartment flat tavern inn shop store school classroom hospital church temple theatre theater restaurant "
            "café cafe bar prison cell corridor hallway stairs staircase cottage barn workshop bakery laboratory lab "
            "ballroom chamber living_room dining_room bathroom museum station elevator nursery mill lighthouse factory"
        ),
        "de": (
            "zimmer* stube küche haus hause häuser hütte saal halle* keller dachboden büro wohnung laden schule kirche "
            "wirtshaus gasthaus schänke gefängnis flur treppe* scheune werkstatt bibliothek mühle krankenhaus kammer "
            "schlafzimmer wohnzimmer tempel leuchtturm bahnhof"
        ),
        "fr": (
            "chambre* cuisine maison* cabane salle* salon cave_à_vin grenier bureau appartement boutique école église "
            "auberge taverne prison cellule couloir escalier grange atelier bibliothèque moulin hôpital théâtre temple "
            "restaurant phare gare hutte"
        ),
        "es": (
            "habitación cuarto cocina casa casas cabaña sala salón sótano desván oficina apartamento tienda escuela "
            "iglesia posada taberna prisión cárcel celda pasillo escalera* granero taller biblioteca molino hospital "
            "teatro templo dormitorio faro choza"
        ),
        "it": (
            "camera stanza cucina casa case capanna sala salone cantina soffitta ufficio appartamento negozio scuola "
            "chiesa locanda taverna osteria prigione cella corridoio scala scale fienile bottega biblioteca mulino "
            "ospedale teatro tempio faro"
        ),
        "pt": (
            "quarto cozinha casa casas cabana sala salão porão sótão escritório apartamento loja escola igreja "
            "estalagem "
            "taverna prisão cela corredor escada* celeiro oficina biblioteca moinho hospital teatro templo farol"
        ),
        "ru": (
            "комнат* кухн* дом дома доме домой дому избушк* изба избе избу хижин* зал зале зала подвал* чердак* "
            "кабинет* "
            "квартир* лавк* магазин* школ* церк* трактир* тюрьм* коридор* лестниц* сарай* мастерск* библиотек* "
            "мельниц* "
            "больниц* театр* храм* спальн*"
        ),
        "tr": (
            "oda* mutfa* ev evde eve evi evin evine evinde evden kulübe* salon* bodrum* tavan_arası ofis* "
            "daire* dükkan* dükkân* "
            "okul* kilise* cami* han hanın hapishane* koridor* merdiven* ahır* atölye* kütüphane* değirmen* hastane*"
        ),
        "ar": (
            "غرفة غرفته غرفتها مطبخ بيت بيته بيتها بيوت منزل منزله منزلها دار داره كوخ قاعة قبو مكتب شقة دكان "
            "متجر مدرسة كنيسة مسجد "
            "معبد سجن زنزانة ممر سلم مخزن مكتبة طاحونة مستشفى"
        ),
        "hi": (
            "कमरा कमरे रसोई घर मकान झोंपड़ी झोपड़ी हॉल तहखाना दफ़्तर दफ्तर दुकान स्कूल पाठशाला विद्यालय मंदिर "
            "मस्जिद जेल गलियारा सीढ़ियाँ "
            "अस्पताल पुस्तकालय चक्की"
        ),
        "zh": (
            "房间 房間 屋里 屋裡 屋内 厨房 廚房 家里 家裡 家中 小屋 茅屋 大厅 大廳 客厅 客廳 地下室 阁楼 办公室 "
            "商店 店里 学校 學校 教室 教堂 寺庙 庙里 客栈 酒馆 监狱 牢房 走廊 楼梯 "
            "图书馆 医院 帐中 堂上 府中"
        ),
        "ja": (
            "部屋 台所 家の中 小屋 広間 地下室 屋根裏 事務所 店の 学校 教室 教会 お寺 宿屋 酒場 牢屋 廊下 階段 "
            "納屋 図書館 病院 うち 物置"
        ),
        "ko": (
            "방 방에 방안 부엌 집 집에 집으로 오두막 거실 지하실 다락 사무실 가게 학교 교실 교회 절에 여관 감옥 "
            "복도 계단 도서관 병원"
        ),
    },
    "forest": {
        "en": "forest* wood woods woodland* jungle* grove* thicket* trees copse rainforest*",
        "de": "wald walde wälder* dschungel gehölz hain urwald wäldchen",
        "fr": "forêt* bois jungle bosquet* clairière sous-bois",
        "es": "bosque* selva* jungla arboleda espesura",
        "it": "foresta foreste bosco boschi giungla boschetto selva",
        "pt": "floresta* bosque* selva mata",
        "ru": "лес леса лесу лесом лесной чаща чаще чащу джунгл* рощ* бор бору тайг*",
        "tr": "orman* koru* cangıl*",
        "ar": "غابة الغابات غابات أدغال أحراش",
        "hi": "जंगल जंगलों वन वनों",
        "zh": "森林 树林 樹林 林中 林子 丛林 叢林 竹林 密林",
        "ja": "森 林の ジャングル 竹やぶ 雑木林 木立",
        "ko": "숲 숲속 정글 밀림",
    },
    "sea": {
        "en": "sea seas ocean* ship* sailboat* deck harbour* harbor* waves bay schooner island* aboard raft",
        "de": "meer meere* ozean* schiff* deck hafen wellen bucht insel* see_hinaus",
        "fr": "mer mers océan* navire* bateau* port vagues baie île îles pont_du_navire",
        "es": "mar mares océano* barco* navío* puerto olas bahía isla* cubierta",
        "it": "mare mari oceano nave navi barca porto onde baia isola isole",
        "pt": "mar mares oceano navio* barco* porto ondas baía ilha*",
        "ru": "море моря морю морем океан* корабл* палуб* гаван* волны волнах бухт* остров*",
        "tr": "deniz* okyanus* gemi* liman* dalga* koy ada adada adaya adanın güverte*",
        "ar": "بحر بحار محيط سفينة السفن ميناء مرفأ أمواج خليج جزيرة جزر",
        "hi": "समुद्र सागर महासागर जहाज़ जहाज बंदरगाह लहरें लहरों द्वीप टापू",
        "zh": "大海 海上 海洋 海里 海面 船上 甲板 港口 海港 海浪 岛上 小岛 海湾",
        "ja": "海 船の 甲板 港 波間 島の 湾",
        "ko": "바다 대양 항구 갑판 파도 섬에 섬으로 배_위",
    },
    "beach": {
        "en": "beach* shore* seashore coast* strand dunes",
        "de": "strand* küste* ufer dünen",
        "fr": "plage* rivage* côte grève dunes",
        "es": "playa* orilla* costa dunas",
        "it": "spiaggia spiagge riva costa dune",
        "pt": "praia* costa areal dunas",
        "ru": "пляж* берег* побереж*",
        "tr": "sahil* plaj* kıyı* kumsal*",
        "ar": "شاطئ الشواطئ ساحل",
        "hi": "समुद्रतट तट किनारे किनारा",
        "zh": "海滩 海灘 沙滩 沙灘 海岸 海边 海邊 岸边",
        "ja": "浜 浜辺 海岸 砂浜 岸辺",
        "ko": "해변 바닷가 해안 모래사장",
    },
    "river": {
        "en": "river* stream* brook creek* riverbank lake* pond* waterfall* bridge reeds ford lagoon swamp marsh",
        "de": "fluss flusses flüsse bach baches strom see sees teich* wasserfall brücke schilf flussufer sumpf",
        "fr": "rivière* fleuve* ruisseau* lac étang cascade pont roseaux marais",
        "es": "río ríos arroyo* lago* estanque cascada puente juncos pantano",
        "it": "fiume fiumi ruscello torrente lago laghi stagno cascata ponte canneto palude",
        "pt": "rio rios riacho* ribeiro lago* lagoa cachoeira ponte juncos pântano",
        "ru": "река реки реке реку рекой речк* ручей ручья ручью озер* озёр* пруд* водопад* мост мосту моста болот*",
        "tr": "nehir nehr* ırma* dere* göl gölün gölde göle gölet* şelale* köprü* bataklı*",
        "ar": "نهر أنهار جدول بحيرة بركة شلال جسر مستنقع غدير",
        "hi": "नदी नदियों झील तालाब झरना झरने पुल दलदल",
        "zh": "河边 河邊 河里 河水 小河 大河 河岸 江边 江上 小溪 溪边 湖边 湖上 湖水 池塘 瀑布 桥上 桥边",
        "ja": "川 小川 湖 池 滝 橋 沼",
        "ko": "강 강가 강물 시내 개울 냇가 호수 연못 폭포 다리 위",
    },
    "mountain": {
        "en": "mountain* peak* summit cliff* ridge mountainside volcano* crag*",
        "de": "berg berge bergen berges gebirge gipfel klippe* felsen vulkan",
        "fr": "montagne* sommet* falaise* volcan pic",
        "es": "montaña* cumbre* cima acantilado* volcán sierra",
        "it": "montagna montagne monte monti cima vetta scogliera vulcano",
        "pt": "montanha* cume penhasco* vulcão serra",
        "ru": "гора горы горе гору горой горах вершин* утёс* утес* скал* вулкан*",
        "tr": "dağ* zirve* uçurum* yanardağ*",
        "ar": "جبل جبال قمة منحدر بركان",
        "hi": "पहाड़ पहाड़ों पर्वत पर्वतों चोटी चट्टान ज्वालामुखी",
        "zh": "山上 山中 山里 山顶 山頂 山峰 高山 大山 悬崖 懸崖 山谷 火山 山下 山脚",
        "ja": "山 山の 峰 崖 頂上 火山",
        "ko": "산 산에 산속 산꼭대기 절벽 봉우리 화산",
    },
    "hills": {
        "en": "hill* hillside* hilltop* valley* slope* knoll moor moors",
        "de": "hügel* tal täler tales hang anhöhe moor heide",
        "fr": "colline* vallée* coteau* lande vallon*",
        "es": "colina* valle* ladera* loma cerro*",
        "it": "collina colline valle valli pendio colle",
        "pt": "colina* vale vales encosta* morro*",
        "ru": "холм* долин* склон* пригор*",
        "tr": "tepe* vadi* yamaç* bayır*",
        "ar": "تل تلة تلال وادي واد الوديان",
        "hi": "पहाड़ी पहाड़ियों टीला टीले घाटी",
        "zh": "山丘 小山 山坡 丘陵",
        "ja": "丘 谷 坂",
        "ko": "언덕 계곡 골짜기 비탈",
    },
    "field": {
        "en": (
            "field* meadow* pasture* prairie* plain plains farm* wheat cornfield* orchard* savannah savanna grassland*"
        ),
        "de": "feld felder feldern felde wiese* weide acker äcker ebene bauernhof",
        "fr": "champ champs pré prés prairie* plaine* ferme blé",
        "es": "campo campos prado* pradera* llanura* granja trigal",
        "it": "campo campi prato prati pianura fattoria grano",
        "pt": "campo campos prado* planície* fazenda pasto",
        "ru": "поле поля полю полем полях луг луга лугу лугам степь степи ферм* пашн* нива ниву",
        "tr": "tarla* çayır* ova ovada ovanın çiftlik* bozkır*",
        "ar": "حقل حقول مرج مروج سهل سهول مزرعة",
        "hi": "खेत खेतों मैदान मैदानों चरागाह",
        "zh": "田野 田里 田间 草地 草原 麦田 农场 稻田 平原",
        "ja": "野原 畑 田んぼ 草原 牧場 原っぱ 麦畑",
        "ko": "들판 밭 논 초원 목장 벌판",
    },
    "village": {
        "en": "village* hamlet* settlement*",
        "de": "dorf dorfe dorfes dörfer* weiler",
        "fr": "village* hameau*",
        "es": "pueblo pueblos aldea* pueblecito",
        "it": "villaggio villaggi paese borgo",
        "pt": "aldeia* vila vilarejo povoado",
        "ru": "деревн* сел* посёл* посел*",
        "tr": "köy köyde köye köyün köyü köyden",
        "ar": "قرية قرى القرى ضيعة",
        "hi": "गाँव गांव गाँवों खेड़े",
        "zh": "村子 村庄 村莊 村里 村中 小村 庄上",
        "ja": "村 村の 集落",
        "ko": "마을 시골",
    },
    "town": {
        "en": "town* city cities street* square alley* downtown skyscraper* plaza avenue rooftop* roofs",
        "de": "stadt städte* straße* strasse* gasse* marktplatz platz dächer*",
        "fr": "ville* rue rues place ruelle* avenue boulevard toits",
        "es": "ciudad ciudades calle* plaza callejón avenida azotea*",
        "it": "città strada_cittadina via vicolo piazza tetti",
        "pt": "cidade* rua ruas praça beco avenida",
        "ru": "город* улиц* площад* переул* крыш*",
        "tr": "şehir* şehr* kent* sokak* soka* cadde* meydan* kasaba*",
        "ar": "مدينة مدن شارع شوارع ساحة زقاق",
        "hi": "शहर शहरों नगर सड़कें चौक गली गलियों क़स्बा कस्बा",
        "zh": "城里 城中 城市 城内 大街 街上 街道 街头 广场 小巷 镇上 小镇",
        "ja": "町 街 通りの 都市 広場 路地",
        "ko": "도시 거리 길거리 광장 골목 시내에 읍내",
    },
    "market": {
        "en": "market* marketplace bazaar fair stall stalls",
        "de": "markt markte jahrmarkt basar",
        "fr": "marché* bazar foire",
        "es": "mercado* feria bazar",
        "it": "mercato mercati fiera bazar",
        "pt": "mercado* feira",
        "ru": "рынок рынк* базар* ярмарк*",
        "tr": "pazar* çarşı*",
        "ar": "سوق أسواق بازار",
        "hi": "बाज़ार बाजार मेला मेले हाट",
        "zh": "市场 市場 集市 菜市",
        "ja": "市場 いちば",
        "ko": "시장 장터",
    },
    "castle": {
        "en": "castle* palace* fortress* tower* throne dungeon* citadel drawbridge",
        "de": "schloss schlosse schlosses schloß burg palast* festung turm turme türme thron verlies",
        "fr": "château* palais forteresse tour_du_château donjon trône",
        "es": "castillo* palacio* fortaleza torre* trono mazmorra*",
        "it": "castello castelli palazzo fortezza torre torri trono",
        "pt": "castelo* palácio* fortaleza torre* trono masmorra*",
        "ru": "замок замк* двор_короля дворец дворц* крепост* башн* трон*",
        "tr": "kale kalede kaleye kalenin şato* saray* kule* taht*",
        "ar": "قصر قصور قلعة حصن برج عرش",
        "hi": "महल क़िला किला किले दुर्ग मीनार सिंहासन",
        "zh": "城堡 宫殿 宮殿 皇宫 王宫 宫中 要塞 高塔 塔楼",
        "ja": "城 お城 宮殿 塔 砦",
        "ko": "성 성에 성문 궁전 궁궐 탑 요새",
    },
    "desert": {
        "en": "desert deserts oasis sands sandstorm wasteland",
        "de": "wüste* oase*",
        "fr": "désert* oasis",
        "es": "desierto* oasis",
        "it": "deserto oasi",
        "pt": "deserto* oásis",
        "ru": "пустын* оазис*",
        "tr": "çöl* vaha*",
        "ar": "صحراء صحارى واحة",
        "hi": "रेगिस्तान मरुस्थल मरुभूमि",
        "zh": "沙漠 绿洲 戈壁",
        "ja": "砂漠 オアシス",
        "ko": "사막 오아시스",
    },
    "garden": {
        "en": "garden* park courtyard lawn greenhouse yard backyard flowerbed*",
        "de": "garten gärten* park hof hofe rasen gewächshaus",
        "fr": "jardin* parc cour pelouse verger*",
        "es": "jardín jardines parque patio huerto* huerta*",
        "it": "giardino giardini parco cortile orto",
        "pt": "jardim jardins parque pátio quintal horta",
        "ru": "сад сада саду садом садик* парк* двор двора дворе огород*",
        "tr": "bahçe* park parkta avlu*",
        "ar": "حديقة حدائق بستان بساتين فناء",
        "hi": "बगीचा बगीचे बाग बाग़ आँगन उद्यान",
        "zh": "花园 花園 公园 院子 庭院 园中 后园",
        "ja": "庭 庭園 公園 裏庭",
        "ko": "정원 공원 마당 뜰",
    },
    "road": {
        "en": "road* path* highway* lane trail* crossroads track pike",
        "de": "weg wege landstraße pfad* kreuzung chaussee",
        "fr": "route* chemin* sentier* carrefour",
        "es": "camino* carretera* sendero* encrucijada",
        "it": "strada strade sentiero cammino bivio",
        "pt": "estrada* caminho* trilha encruzilhada",
        "ru": "дорог* тропинк* тропа тропе тропу перекрёст* шоссе",
        "tr": "yol yolda yola yolun patika*",
        "ar": "طريق طرق درب مسار",
        "hi": "रास्ता रास्ते सड़क राह पगडंडी",
        "zh": "路上 大路 小路 道路 公路 路边 半路 途中",
        "ja": "道 小道 街道 道ばた",
        "ko": "길 길을 도로 오솔길 길가",
    },
    "cave": {
        "en": "cave* cavern* grotto tunnel* mines mineshaft* burrow den lair",
        "de": "höhle* grotte stollen tunnel bergwerk",
        "fr": "grotte* caverne* tunnel tanière",
        "es": "cueva* caverna* gruta túnel mina guarida",
        "it": "grotta grotte caverna tunnel miniera tana",
        "pt": "caverna* gruta túnel mina toca",
        "ru": "пещер* грот* туннел* шахт* нора норе нору",
        "tr": "mağara* tünel* maden*",
        "ar": "كهف كهوف مغارة نفق منجم",
        "hi": "गुफा गुफ़ा सुरंग खान",
        "zh": "山洞 洞穴 洞里 洞中 隧道 矿井",
        "ja": "洞窟 洞穴 ほら穴 トンネル 穴の",
        "ko": "동굴 굴속 터널 광산",
    },
    "sky": {
        "en": "sky skies clouds aeroplane* airplane* airship* balloon balloons",
        "de": "himmel wolken flugzeug* luftschiff* ballon",
        "fr": "ciel cieux nuages avion* ballon montgolfière",
        "es": "cielo cielos nubes avión globo",
        "it": "cielo cieli nuvole aereo mongolfiera",
        "pt": "céu céus nuvens avião balão",
        "ru": "неб* облак* самолёт* самолет*",
        "tr": "gökyüzü* gök göğe bulut* uçak* balon*",
        "ar": "سماء السماوات غيوم طائرة منطاد",
        "hi": "आसमान आकाश बादलों हवाई_जहाज़ गुब्बारा",
        "zh": "天空 天上 空中 云端 云中 飞机",
        "ja": "空 雲の 飛行機 気球",
        "ko": "하늘 구름 비행기 열기구",
    },
    "space": {
        "en": "space spaceship* starship* spacecraft planet* orbit galaxy asteroid* rocket* airlock mars venus",
        "de": "weltraum weltall raumschiff* planet* umlaufbahn galaxie asteroid* rakete*",
        "fr": "espace vaisseau planète* orbite galaxie astéroïde* fusée*",
        "es": "espacio astronave nave_espacial planeta* órbita galaxia asteroide* cohete*",
        "it": "spazio astronave pianeta pianeti orbita galassia asteroide razzo",
        "pt": "espaço astronave nave_espacial planeta* órbita galáxia asteroide* foguete*",
        "ru": "космос* космическ* звездолёт* планет* орбит* галактик* астероид* ракет*",
        "tr": "uzay* gezegen* yörünge* galaksi* roket*",
        "ar": "الفضاء كوكب كواكب مدار مجرة كويكب صاروخ",
        "hi": "अंतरिक्ष ग्रह आकाशगंगा रॉकेट अंतरिक्षयान",
        "zh": "太空 宇宙 飞船 星球 行星 火箭 银河",
        "ja": "宇宙 宇宙船 惑星 ロケット 銀河",
        "ko": "우주 우주선 행성 로켓 은하",
    },
    "snowfield": {
        "en": "snowfield* glacier* tundra iceberg* arctic antarctic snowdrift* ice",
        "de": "schneefeld* gletscher* tundra eisberg* eis",
        "fr": "glacier* banquise toundra iceberg* neiges",
        "es": "glaciar* tundra iceberg* nieves hielo",
        "it": "ghiacciaio tundra iceberg nevi ghiaccio",
        "pt": "geleira* tundra iceberg* neves gelo",
        "ru": "ледник* тундр* айсберг* сугроб* льды льдах",
        "tr": "buzul* tundra* buzda",
        "ar": "الجليد ثلوج",
        "hi": "हिमनद बर्फ़ीले बर्फीले",
        "zh": "雪地 雪原 冰川 冰原",
        "ja": "雪原 氷河 氷原 雪の上",
        "ko": "설원 빙하 눈밭 얼음판",
    },
}

# Water that has no name: a place only where somebody is in, on or by it; whether river or sea the story decides.
WATERS: dict[str, str] = {
    "en": "water waters",
    "de": "wasser wassers",
    "fr": "eau eaux",
    "es": "agua aguas",
    "it": "acqua acque",
    "pt": "água águas",
    "ru": "воде воду водой вод водам воды",
    "tr": "suda suya sulara sularda",
    "ar": "الماء المياه",
    "hi": "पानी_में पानी_पर जल_में",
    "zh": "水面 水上 水里 水中 水边",
    "ja": "水面 水の上 水の中 水辺 水ぎわ",
    "ko": "물_위 물속 물가",
}

# --- Time of day, weather, mood, themes ------------------------------------------------------------------------

TIMES_OF_DAY: dict[str, dict[str, str]] = {
    "dawn": {
        "en": "dawn daybreak sunrise first_light cockcrow",
        "de": "morgendämmerung morgengrauen sonnenaufgang tagesanbruch",
        "fr": "aube aurore lever_du_soleil",
        "es": "alba amanecer amanecía madrugada aurora",
        "it": "alba aurora",
        "pt": "amanhecer alvorada madrugada aurora",
        "ru": "рассвет* заря зари зарёй зарей светало",
        "tr": "şafak* gün_doğ*",
        "ar": "فجر الفجر شروق",
        "hi": "भोर पौ सूर्योदय तड़के",
        "zh": "黎明 拂晓 天亮 日出 破晓 天明",
        "ja": "夜明け 明け方 日の出",
        "ko": "새벽 동틀 해돋이",
    },
    "morning": {
        "en": "morning mornings breakfast",
        "de": "morgen morgens vormittag* frühstück früh",
        "fr": "matin matinée matins",
        "es": "mañana mañanas desayuno",
        "it": "mattina mattino mattinata colazione",
        "pt": "manhã manhãs",
        "ru": "утро утра утром утру утренн* поутру завтрак*",
        "tr": "sabah* kahvaltı*",
        "ar": "صباح صباحا صباحاً الصباح ضحى",
        "hi": "सुबह सवेरे सवेरा प्रातः",
        "zh": "早晨 早上 清晨 上午 清早 一早 次早",
        "ja": "朝 午前 翌朝",
        "ko": "아침 오전",
    },
    "day": {
        "en": "noon midday daylight sunlight sunshine afternoon lunch day_time daytime sun",
        "de": "mittag* nachmittag* tageslicht sonnenschein sonne",
        "fr": "midi après-midi soleil plein_jour",
        "es": "mediodía sol siesta",
        "it": "mezzogiorno pomeriggio sole",
        "pt": "meio-dia sol",
        "ru": "полдень полдня днём днем солнце солнца солнц*",
        "tr": "öğle* öğlen* güneş* gündüz*",
        "ar": "ظهر ظهرا ظهراً الظهيرة نهار نهارا شمس",
        "hi": "दोपहर धूप दिन_में सूरज",
        "zh": "中午 正午 下午 白天 太阳 阳光",
        "ja": "昼 午後 正午 昼間 太陽 お日さま",
        "ko": "낮 정오 오후 한낮 햇빛 햇살",
    },
    "evening": {
        "en": "evening evenings dusk sunset twilight nightfall sundown supper gloaming",
        "de": "abend* dämmerung sonnenuntergang zwielicht abenddämmerung",
        "fr": "soir soirée soirs crépuscule coucher_du_soleil",
        "es": "atardecer anochecer anochece crepúsculo ocaso tarde",
        "it": "sera serata tramonto crepuscolo imbrunire",
        "pt": "entardecer anoitecer crepúsculo pôr-do-sol tarde",
        "ru": "вечер* закат* сумерк* смеркалось",
        "tr": "akşam* alacakaranlık* gün_bat*",
        "ar": "مساء المساء غروب الغروب شفق مغيب",
        "hi": "शाम संध्या साँझ सूर्यास्त",
        "zh": "傍晚 黄昏 黃昏 日落 夕阳 天黑",
        "ja": "夕方 夕暮れ 日暮れ 夕日 夕べ",
        "ko": "저녁 황혼 해질녘 노을",
    },
    "night": {
        "en": "night nights midnight moonlight moon starlight tonight moonlit stars",
        "de": "nacht nachts nächte* mitternacht mond* sterne sternen",
        "fr": "nuit nuits minuit lune étoiles",
        "es": "noche noches medianoche luna estrellas anoche",
        "it": "notte notti mezzanotte luna stelle",
        "pt": "noite noites meia-noite lua luar estrelas",
        "ru": "ночь ночи ночью ночам ночн* полночь полночи луна луны луной звёзд* звезд*",
        "tr": "gece* ay_ışığı* yıldız*",
        "ar": "ليل ليلا ليلاً ليلة ليالي قمر القمر نجوم النجوم",
        "hi": "रात रातों आधी_रात चाँद चाँदनी तारे तारों",
        "zh": "夜里 夜晚 晚上 半夜 深夜 午夜 月亮 月光 星星 今夜 当晚 是夜",
        "ja": "夜 真夜中 晩 月夜 月の 星空",
        "ko": "밤 한밤중 자정 달빛 별빛",
    },
}

WEATHER: dict[str, dict[str, str]] = {
    "clear": {
        "en": "sunny sunshine cloudless sunlit",
        "de": "sonnig* sonnenschein wolkenlos*",
        "fr": "ensoleillé* dégagé",
        "es": "soleado* despejado",
        "it": "soleggiato sereno",
        "pt": "ensolarado ensolarada",
        "ru": "солнечн* безоблачн*",
        "tr": "güneşli bulutsuz",
        "ar": "مشمس مشمسا صافية",
        "hi": "धूप",
        "zh": "晴朗 晴天 阳光明媚",
        "ja": "晴れ 快晴 いい天気",
        "ko": "맑은 화창",
    },
    "cloudy": {
        "en": "cloudy overcast clouds clouded",
        "de": "bewölkt* wolken trüb*",
        "fr": "nuageux couvert nuages",
        "es": "nublado nubes nubarrones",
        "it": "nuvoloso nuvole nubi",
        "pt": "nublado nuvens",
        "ru": "облачн* пасмурн* туч*",
        "tr": "bulutlu bulutlar*",
        "ar": "غائم غيوم سحب الغيوم",
        "hi": "बादल बादलों",
        "zh": "多云 阴天 乌云 烏雲",
        "ja": "曇り 雲が",
        "ko": "흐린 구름이 먹구름",
    },
    "rain": {
        "en": "rain rains raining rained rainy drizzle raindrop* downpour",
        "de": "regen regnete regnet regnerisch* nieselregen regentropfen",
        "fr": "pluie pluies pleuvait pleut pluvieux averse",
        "es": "lluvia lluvias llovía llueve llovizna lluvioso",
        "it": "pioggia piogge pioveva piove",
        "pt": "chuva chuvas chovia chove chuvoso",
        "ru": "дожд* ливень ливня",
        "tr": "yağmur*",
        "ar": "مطر المطر أمطار الأمطار ممطر",
        "hi": "बारिश वर्षा बरसात",
        "zh": "下雨 大雨 细雨 雨水 雨中 暴雨",
        "ja": "雨",
        "ko": "비가 비를 빗물 빗방울 소나기",
    },
    "snow": {
        "en": "snow snowing snowed snowy snowflake* blizzard frost",
        "de": "schnee schneite schneit schneeflock* schneesturm",
        "fr": "neige neiges neigeait neigeux",
        "es": "nieve nevaba nevada nieva ventisca",
        "it": "neve nevicava nevica bufera_di_neve",
        "pt": "neve nevava nevasca",
        "ru": "снег* снеж* метел* вьюг*",
        "tr": "kar_yağ* karlı kar",
        "ar": "ثلج الثلج ثلوج الثلوج",
        "hi": "बर्फ़ बर्फ हिमपात",
        "zh": "下雪 大雪 雪花 白雪 雪地 风雪",
        "ja": "雪",
        "ko": "눈이_내 눈보라 함박눈 흰눈 눈송이",
    },
    "fog": {
        "en": "fog foggy mist misty haze",
        "de": "nebel* neblig* dunst",
        "fr": "brouillard* brume* brumeux",
        "es": "niebla* neblina bruma",
        "it": "nebbia nebbie foschia",
        "pt": "névoa nevoeiro neblina",
        "ru": "туман*",
        "tr": "sis sisli sisin",
        "ar": "ضباب الضباب",
        "hi": "कोहरा कोहरे धुंध",
        "zh": "雾 霧",
        "ja": "霧",
        "ko": "안개",
    },
    "storm": {
        "en": "storm storms stormy thunder lightning thunderstorm* tempest hurricane cyclone",
        "de": "sturm* stürm* gewitter* donner* blitz*",
        "fr": "tempête* orage* tonnerre éclair éclairs",
        "es": "tormenta* tempestad* trueno* relámpago*",
        "it": "tempesta temporale tuono tuoni fulmine fulmini",
        "pt": "tempestade* trovão trovões relâmpago*",
        "ru": "бур* гроз* гром* молни* шторм*",
        "tr": "fırtına* gök_gürül* şimşek*",
        "ar": "عاصفة العاصفة عواصف رعد الرعد برق البرق",
        "hi": "तूफ़ान तूफान आँधी आंधी बिजली",
        "zh": "暴风雨 风暴 雷声 闪电 打雷 狂风",
        "ja": "嵐 雷 稲妻 台風",
        "ko": "폭풍 천둥 번개 태풍",
    },
    "wind": {
        "en": "wind winds windy breeze gale gust*",
        "de": "wind winde windig* brise",
        "fr": "vent vents brise rafale*",
        "es": "viento vientos brisa ráfaga*",
        "it": "vento venti brezza",
        "pt": "vento ventos brisa",
        "ru": "ветер ветр* ветер*",
        "tr": "rüzgar* rüzgâr* esinti*",
        "ar": "ريح الريح رياح الرياح نسيم",
        "hi": "हवा हवाएँ",
        "zh": "风吹 大风 微风 寒风 秋风",
        "ja": "風",
        "ko": "바람이 바람을 바람에",
    },
}

MOODS: dict[str, dict[str, str]] = {
    "joyful": {
        "en": "laugh* happ* joy* merr* smil* cheer* delight* danc* glad* play* sang sing singing giggl* fun feast*",
        "de": "lach* glücklich* freud* fröhlich* lächel* jubel* tanz* froh* spiel* sang singen fest heiter*",
        "fr": "ri rire* riait heureu* joie joyeu* gai* souri* dans* chant* fête* content*",
        "es": "rei* rió risa* feli* alegr* sonri* bail* cant* fiesta* content* jug*",
        "it": "rid* rise felic* gioi* allegr* sorri* ball* cant* festa content* gioc*",
        "pt": "rir riu ria riso* feli* alegr* sorri* danç* cant* festa* content* brinc*",
        "ru": "сме* рад* счаст* весел* весёл* улыб* танц* пел* песн* праздник*",
        "tr": "gül* mutlu* neşe* sevin* dans* şarkı* eğlen* bayram*",
        "ar": "ضحك ضحكت سعيد سعيدة سعداء فرح فرحت فرحا مرح ابتسم ابتسمت رقص غناء سرور بهجة",
        "hi": "हँस* हंस* खुश* ख़ुश* मुस्कु* नाच* आनंद* मज़ा मज़े गाना गाने उत्सव प्रसन्न*",
        "zh": "笑 高兴 高興 快乐 快樂 开心 開心 欢乐 歡喜 欢喜 跳舞 唱歌 大喜 喜欢",
        "ja": "笑 嬉し うれし 楽し たのし 喜 よろこ 歌 踊 にこにこ",
        "ko": "웃 기쁘 기뻐 행복 즐거 즐겁 신나 노래 춤",
    },
    "calm": {
        "en": "quiet* calm* peace* gentl* still stillness rest rested serene silen* slow* soft* sleep* breeze",
        "de": "ruhig* still* frieden* friedlich* sanft* schlaf* leise ruhe langsam* gemächlich",
        "fr": "calme* paisible* paix tranquill* dou* silenc* repos* sommeil dorm* lent*",
        "es": "tranquil* calma* paz apacible* suave* silenci* descans* dorm* lent*",
        "it": "tranquill* calm* pace quiet* dolce* silenzi* ripos* dorm* lent*",
        "pt": "tranquil* calm* paz suave* silênci* descans* dorm* lent*",
        "ru": "тих* спокой* мир мирн* нежн* спал* сон сна отдых* медленн*",
        "tr": "sakin* sessiz* huzur* uyu* yavaş* dinlen*",
        "ar": "هدوء هادئ هادئة سكون سلام صمت نام نامت راحة",
        "hi": "शांत* शांति चुप* आराम नींद सो धीरे",
        "zh": "安静 安靜 平静 宁静 寂静 静静 休息 睡着 睡觉",
        "ja": "静か しずか 穏やか のんびり 眠 安らか ゆっくり",
        "ko": "조용 고요 평화 평온 잠 쉬 천천히",
    },
    "tense": {
        "en": (
            "hurr* ran running chas* danger* shout* fight* fought gun* sword* struggl* alarm* attack* escap* "
            "suddenly quick* urgent* pursu* threat* rush* grip* clench* blow blows"
        ),
        "de": (
            "eil* rann* renn* jag* gefahr* schrie* kampf* kämpf* schwert* gewehr* flucht* flieh* floh* angriff* "
            "plötzlich* hast* drohte*"
        ),
        "fr": "cour* danger* cri* crier combat* épée* fusil* fui* fuite attaqu* soudain* menac* poursui* vite hât*",
        "es": "corr* peligro* grit* lucha* pelea* espada* fusil huy* huir ataqu* atac* repente amenaz* persig* prisa",
        "it": "corr* corse pericol* grid* lott* combatt* spada fucile fugg* attacc* improvviso minacc* insegu* fretta",
        "pt": "corr* perig* grit* lut* espada* fugi* ataqu* atac* repente ameaç* persegu* pressa",
        "ru": "бежал* беж* опасн* крик* кричал* крича* бой боя битв* меч* ружь* напал* вдруг угро* погон* скор*",
        "tr": "koş* tehlike* bağır* savaş* dövüş* kılıç* kaç* saldır* aniden tehdit* acele*",
        "ar": "خطر ركض جرى صرخ صاح قتال قاتل سيف هرب هجوم هجم فجأة تهديد طارد أسرع",
        "hi": "भाग* दौड़* खतर* ख़तर* चिल्ला* लड़ाई लड़* तलवार हमला अचानक जल्दी झगड़*",
        "zh": "危险 危險 逃 追 喊 杀 殺 战 戰 剑 劍 刀 突然 忽然 急 怒 攻",
        "ja": "危険 危な 逃げ 追い 追っ 叫 戦 剣 急い 突然 怒",
        "ko": "위험 도망 쫓 소리쳤 소리질 싸우 싸움 칼 갑자기 급히 서둘 공격",
    },
    "sad": {
        "en": (
            "sad* cry cried crying tear tears weep* wept sorrow* grief griev* lonel* mourn* died dead death "
            "funeral lost sob sobbed sobbing miser* unhapp* alone"
        ),
        "de": (
            "traurig* wein* träne* kummer* leid* einsam* trauer* starb gestorben tot tod begräbnis verlor* "
            "schluchz* elend* unglück* allein"
        ),
        "fr": (
            "trist* pleur* larme* chagrin* peine* seul seule mort* deuil enterrement perdu* sanglot* malheur* solitude"
        ),
        "es": "trist* llor* lágrima* pena* dolor* muert* murió duelo entierro perdi* solloz* soledad desgraci*",
        "it": (
            "trist* piang* pianse lacrim* dolor* solo sola mort* lutto funeral* perdut* singhiozz* solitudin* infelic*"
        ),
        "pt": "trist* chor* lágrima* dor dores sozinh* mort* morreu luto enterro perd* soluç* saudad* solidão",
        "ru": "груст* печал* плак* слез* слёз* горе гор* одинок* умер* смерт* похорон* рыда* несчаст* тоск*",
        "tr": "üzgün* üzül* ağla* gözyaş* keder* yalnız* öl* cenaze* kayb* hüzün* acı",
        "ar": "حزن حزين حزينة بكى بكت دموع الدموع وحيد وحيدة وحيدا مات ماتت موت الموت جنازة فقد ألم توفي",
        "hi": "दुख* दुखी रो रोने रोया रोई आँसू उदास* अकेल* मर मृत्यु मौत शोक",
        "zh": "哭 泪 淚 悲 伤心 傷心 难过 難過 孤独 孤單 死 丧 哀",
        "ja": "泣 涙 悲し かなし 寂し さびし 死 亡くな ひとりぼっち",
        "ko": "울 눈물 슬프 슬픔 슬퍼 외로 죽 장례 쓸쓸",
    },
    "mysterious": {
        "en": (
            "myster* strang* secret* whisper* shadow* magic* ghost* hidden vanish* enchant* curious* riddle* "
            "spell* unknown glow* eerie weird"
        ),
        "de": (
            "geheimnis* seltsam* flüster* schatten* zauber* magisch* gespenst* verborgen* verschwand* rätsel* "
            "unbekannt* merkwürdig* unheimlich*"
        ),
        "fr": "myst* étrang* secret* chuchot* murmur* ombre* magi* fantôm* caché* dispar* énigm* inconnu*",
        "es": "misteri* extrañ* secret* susurr* sombra* magi* mágic* fantasm* ocult* desapareci* enigma* desconocid*",
        "it": "mister* stran* segret* sussurr* ombr* magi* fantasm* nascost* scompar* enigm* sconosciut*",
        "pt": (
            "mistér* mister* estranh* segred* sussurr* sombra* magi* mágic* fantasm* escondid* desaparec* enigma* "
            "desconhecid*"
        ),
        "ru": (
            "тайн* таин* странн* секрет* шёпот* шепт* тень тени теней волшеб* маги* призрак* загадк* неизвестн* исчез*"
        ),
        "tr": "gizem* garip* sır sırr* fısıl* gölge* büyü* sihir* hayalet* gizli* kaybol* esrar*",
        "ar": "غامض غامضة سر سرا أسرار غريب غريبة همس همست ظل ظلال سحر سحري شبح خفي مخفي لغز اختفى",
        "hi": "रहस्य* अजीब* गुप्त फुसफुसा* छाया परछाई जादू* भूत छिपा छिपी पहेली अनजान* गायब",
        "zh": "神秘 奇怪 秘密 低语 影子 魔法 鬼 谜 消失 奇异",
        "ja": "不思議 ふしぎ 謎 秘密 ささや 影 魔法 幽霊 隠 消え",
        "ko": "신비 이상한 비밀 속삭 그림자 마법 유령 수수께끼 사라",
    },
    "frightening": {
        "en": (
            "fear* afraid terr* horror* horrib* scream* fright* dread* monster* blood* nightmare* scar* shudder* "
            "trembl* ghastly howl* corpse* demon* panic*"
        ),
        "de": (
            "angst ängst* furcht* schreck* entsetz* grauen grausig* grausam* ungeheuer* blut* alptraum* zitter* "
            "schauder* leiche* dämon* panik*"
        ),
        "fr": (
            "peur* effray* terr* horr* épouvant* hurl* monstr* sang sanglant* cauchemar* trembl* frisson* cadavr* "
            "démon* effroi"
        ),
        "es": (
            "miedo* temor* terr* horr* espant* asust* monstru* sangr* pesadill* tembl* escalofr* cadáver* demoni* "
            "pánico aull*"
        ),
        "it": "paur* terror* orror* orribil* spavent* mostr* sangu* incub* trem* brivid* cadaver* demon* panico ulul*",
        "pt": (
            "medo* temor* terr* horr* espant* assust* monstr* sangu* pesadel* trem* arrepi* cadáver* demôni* "
            "pânico uiv*"
        ),
        "ru": "страх* страш* ужас* испуг* бо* чудовищ* кров* кошмар* дрож* труп* демон* вой завы*",
        "tr": "kork* dehşet* çığlık* canavar* kan kanlı kabus* kâbus* titre* ceset* şeytan* panik*",
        "ar": "خوف خاف خافت خائف رعب مرعب فزع وحش دم دماء كابوس ارتجف جثة شيطان صراخ",
        "hi": "डर* भय* भयानक चीख* राक्षस खून ख़ून काँप* दानव घबरा*",
        "zh": "害怕 恐怖 恐惧 可怕 怪物 血 噩梦 发抖 尸 妖 魔鬼 惊 驚",
        "ja": "怖 こわ 恐 怪物 血 悪夢 震え ふるえ 悲鳴 鬼 死体",
        "ko": "무서 두려 공포 괴물 피를 악몽 떨 비명 귀신 악마",
    },
    "tender": {
        "en": (
            "love* loving kiss* embrac* hug hugged hugs tender* dear* darling heart* caress* gentle mother* "
            "cradl* sweet* comfort* baby"
        ),
        "de": "lieb* küss* kuss umarm* zärtlich* herz* schatz streichel* trost tröst* mutter*",
        "fr": "aim* amour* bais* embrass* tendre* cœur* chéri* caress* consol* mère*",
        "es": "amor* amab* amad* querid* bes* abraz* tiern* ternura corazón acarici* consol* madre*",
        "it": "amor* amav* amat* bac* abbracc* tener* cuore carezz* consol* madre mamma caro cara",
        "pt": "amor* amad* querid* beij* abraç* tern* coração acarici* consol* mãe mamãe carinh*",
        "ru": "люб* целова* поцел* обня* обним* нежн* сердц* ласк* мил* мать мам* родн*",
        "tr": "sev* aşk* öp* sarıl* kucak* kalp* kalb* şefkat* anne* canım okşa*",
        "ar": "حب أحب أحبت حبيب حبيبة قبل قبلة عانق حنان قلب قلبه قلبها أم أمه أمها عزيز",
        "hi": "प्यार* प्रेम* चूम* गले दिल स्नेह माँ ममता दुलार",
        "zh": "爱 愛 吻 拥抱 抱着 温柔 心爱 亲爱 妈妈 母亲 慈",
        "ja": "愛 抱き 抱きし 優し やさし お母さん 母 恋 かわい",
        "ko": "사랑 안아 껴안 다정 엄마 어머니 소중 따뜻",
    },
    "triumphant": {
        "en": (
            "triumph* victor* win won winning hero* crown* conquer* proud* glor* applau* cheered celebrat* "
            "success* hurrah bravo"
        ),
        "de": "triumph* sieg* gewann* held* krone* krön* stolz* ruhm* applaus jubel* feier* erfolg*",
        "fr": "triomph* victoire* vainq* gagn* héro* couronn* fier* gloire* applaud* bravo succès",
        "es": "triunf* victori* ganó ganar ganaron venc* héroe* coron* orgull* glori* aplau* éxito celebr*",
        "it": "trionf* vittori* vinse vincere vinto eroe eroi coron* orgogli* glori* applau* success* celebr*",
        "pt": "triunf* vitóri* ganhou ganhar venc* herói* coro* orgulh* glóri* aplau* sucess* celebr*",
        "ru": "триумф* побед* геро* корон* горд* слав* аплоди* ура торжеств*",
        "tr": "zafer* kazan* kahraman* taç* gurur* alkış* kutla* başarı*",
        "ar": "نصر انتصر انتصار فاز بطل أبطال تاج فخر فخور مجد تصفيق نجح نجاح احتفل",
        "hi": "जीत* विजय* नायक मुकुट गर्व तालियाँ सफल* शाबाश",
        "zh": "胜利 勝利 赢 英雄 皇冠 骄傲 光荣 欢呼 成功 大胜 凯旋",
        "ja": "勝 英雄 王冠 誇 栄光 拍手 成功 万歳",
        "ko": "승리 이겼 이기 영웅 왕관 자랑 영광 박수 성공 만세",
    },
}

THEMES: dict[str, dict[str, str]] = {
    "friendship": {
        "en": "friend* companion* together",
        "de": "freund* kamerad* gemeinsam",
        "fr": "ami amis amie amies amitié* compagn* ensemble",
        "es": "amig* amistad* compañer* juntos",
        "it": "amic* amicizia compagn* insieme",
        "pt": "amig* amizad* companheir* juntos",
        "ru": "друг друга друзь* подруг* дружб* товарищ* вместе",
        "tr": "arkadaş* dost*",
        "ar": "صديق صديقه صديقها أصدقاء صداقة صاحب رفيق",
        "hi": "दोस्त* मित्र* सहेली साथी",
        "zh": "朋友 伙伴 友谊 友情 兄弟",
        "ja": "友達 友だち 仲間 友",
        "ko": "친구 우정 동무",
    },
    "family": {
        "en": (
            "mother* father* brother* sister* son sons daughter* family parents grandmother* grandfather* uncle* "
            "aunt* child children"
        ),
        "de": (
            "mutter* vater* bruder brüder* schwester* sohn* söhne tochter töchter* familie* eltern großmutter "
            "großvater onkel tante kind*"
        ),
        "fr": "mère* père* frère* sœur* fils fille famille* parents grand-mère grand-père oncle tante enfant*",
        "es": "madre* padre* herman* hij* familia* abuel* tío* tía* niñ*",
        "it": "madre padre fratell* sorell* figli* famiglia genitori nonn* zio zia bambin*",
        "pt": "mãe* pai pais irmã* irmão* filh* família* avó avô tio tia criança*",
        "ru": "мать матер* мам* отец отц* пап* брат* сестр* сын* доч* семь* родител* бабушк* дедушк* дяд* тёт* дет*",
        "tr": "anne* baba* kardeş* oğl* kız* aile* büyükanne* dede* amca* teyze* çocuk*",
        "ar": (
            "أم أمه أمها أب أبي أبوه أخ أخي أخت ابن ابنة بنت عائلة أسرة والد والدة والداه جد جدة خال خاله عم طفل أطفال"
        ),
        "hi": "माँ पिता भाई बहन बेटा बेटी परिवार दादी दादा चाचा बच्चे बच्चों",
        "zh": "妈妈 爸爸 母亲 父亲 父母 哥哥 弟弟 姐姐 妹妹 儿子 女儿 奶奶 爷爷 叔叔 孩子 家人",
        "ja": "お母さん お父さん 母 父 兄 弟 姉 妹 息子 娘 家族 おばあさん おじいさん 子ども",
        "ko": "엄마 아빠 어머니 아버지 형 동생 누나 언니 아들 딸 가족 할머니 할아버지 아이",
    },
    "love": {
        "en": "love* kiss* marr* wedding* bride* sweetheart* betrothed beloved heart",
        "de": "lieb* küss* kuss heirat* hochzeit* braut* geliebt* herz*",
        "fr": "amour* aim* bais* épous* mari* noce* fiancé* cœur",
        "es": "amor* bes* casar* boda* novi* espos* amad* corazón",
        "it": "amor* bac* spos* nozze matrimoni* fidanzat* cuore",
        "pt": "amor* beij* casa* noiv* espos* amad* coração",
        "ru": "люб* поцел* свадьб* невест* жених* сердц*",
        "tr": "aşk* sev* öp* evlen* düğün* gelin* kalp*",
        "ar": "حب أحب عشق زواج تزوج عروس قبلة حبيب حبيبة",
        "hi": "प्यार* प्रेम* शादी विवाह दुल्हन",
        "zh": "爱情 愛情 相爱 吻 结婚 婚礼 新娘 恋",
        "ja": "愛 恋 結婚 花嫁 キス",
        "ko": "사랑 결혼 신부 키스 연인",
    },
    "death": {
        "en": "death dead die died dying grave* funeral* corpse* kill* murder* buried",
        "de": "tod* tot* starb* sterb* gestorben grab* leiche* mord* getötet begraben",
        "fr": "mort* mour* tomb* cadavr* tué* tuer meurtr* enterr*",
        "es": "muert* mor* tumba* cadáver* mat* asesin* enterr*",
        "it": "mort* mor* tomb* cadaver* uccis* uccid* assassin* sepolt*",
        "pt": "mort* morr* túmul* cadáver* mat* assassin* enterr*",
        "ru": "смерт* умер* умир* могил* похорон* труп* уби* мёртв* мертв*",
        "tr": "ölüm* öl* mezar* cenaze* ceset* katil*",
        "ar": "موت الموت مات ماتت ميت قبر جنازة قتل قتله مقتول توفي",
        "hi": "मृत्यु मौत मर मरा मरी हत्या कब्र",
        "zh": "死 杀 殺 坟 尸 葬 亡",
        "ja": "死 殺 墓 葬 亡くな",
        "ko": "죽 죽음 무덤 살인 장례",
    },
    "war": {
        "en": "war wars battle* soldier* army armies enem* general captain* sword* gun* weapon*",
        "de": "krieg* schlacht* soldat* armee* heer* feind* general* schwert* waffe*",
        "fr": "guerre* bataille* soldat* armée* ennemi* général* épée* arme*",
        "es": "guerra* batalla* soldad* ejército* enemig* general* espada* arma*",
        "it": "guerr* battagli* soldat* esercit* nemic* general* spad* arm*",
        "pt": "guerra* batalha* soldad* exércit* inimig* general espada* arma*",
        "ru": "войн* битв* солдат* арми* войск* враг* генерал* меч* оруж*",
        "tr": "savaş* asker* ordu* düşman* kılıç* silah*",
        "ar": "حرب الحرب معركة جندي جنود جيش عدو أعداء سيف سلاح",
        "hi": "युद्ध लड़ाई सैनिक सेना दुश्मन तलवार हथियार",
        "zh": "战争 戰爭 兵 军 軍 敌 敵 将军 战 剑",
        "ja": "戦争 兵 軍 敵 戦い 剣 武器",
        "ko": "전쟁 군인 병사 군대 적군 싸움 무기",
    },
    "journey": {
        "en": "journey* travel* voyage* road* path* adventure* wander* explor* quest map",
        "de": "reis* fahrt* weg wege abenteuer* wander* erforsch* karte",
        "fr": "voyag* route* chemin* aventur* explor* quête",
        "es": "viaj* camin* aventur* explor* búsqueda ruta",
        "it": "viagg* cammin* strad* avventur* esplor* ricerca",
        "pt": "viag* viaj* caminh* aventur* explor* busca",
        "ru": "путешеств* дорог* путь пути приключен* странств*",
        "tr": "yolculuk* seyahat* yol macera* gez*",
        "ar": "رحلة سفر سافر طريق مغامرة",
        "hi": "यात्रा सफ़र सफर रास्ता रास्ते रोमांच",
        "zh": "旅行 旅程 路上 冒险 出发 走",
        "ja": "旅 冒険 道 出発",
        "ko": "여행 모험 길을 떠나",
    },
    "magic": {
        "en": "magic* witch* wizard* spell* enchant* fairy fairies dragon* sorcer* wand ghost*",
        "de": "zauber* hexe* magi* fee feen drache* gespenst* verzaubert*",
        "fr": "magi* sorci* enchant* fée* dragon* fantôm*",
        "es": "magi* mágic* bruj* hechiz* hada* dragón dragones fantasm*",
        "it": "magi* streg* incant* fata fate drag* fantasm*",
        "pt": "magi* mágic* brux* feitiç* fada* dragão dragões fantasm*",
        "ru": "волшеб* магия магии ведьм* колд* фея феи дракон* заклин* призрак*",
        "tr": "sihir* büyü* cadı* peri* ejderha* hayalet*",
        "ar": "سحر ساحر ساحرة جني جنية تنين شبح",
        "hi": "जादू* जादूगर परी परियाँ भूत अजगर",
        "zh": "魔法 巫 仙 龙 龍 妖 鬼",
        "ja": "魔法 魔女 妖精 竜 鬼 幽霊",
        "ko": "마법 마녀 요정 용이 귀신 도깨비",
    },
    "nature": {
        "en": "tree* forest* river* animal* bird* flower* mountain* wind leaf leaves sea sky",
        "de": "baum bäume* wald* fluss* tier* vogel vögel* blume* berg* wind blätter meer himmel",
        "fr": "arbre* forêt* rivière* animal animaux oiseau* fleur* montagne* vent feuille* mer ciel",
        "es": "árbol* bosque* río* animal* pájaro* flor* montaña* viento hoja* mar cielo",
        "it": "alber* bosc* fium* animal* uccell* fior* montagn* vento fogli* mare cielo",
        "pt": "árvore* floresta* rio rios animal animais pássaro* flor* montanha* vento folha* mar céu",
        "ru": "дерев* лес леса лесу рек* звер* птиц* цвет* гор* ветер ветр* лист* море неб*",
        "tr": "ağaç* orman* nehir* hayvan* kuş* çiçek* dağ* rüzgar* yaprak* deniz*",
        "ar": "شجرة أشجار غابة نهر حيوان حيوانات طائر طيور عصفور زهرة أزهار جبل بحر سماء",
        "hi": "पेड़* जंगल नदी जानवर* पक्षी* चिड़िया फूल* पहाड़* हवा पत्ते आसमान",
        "zh": "树 樹 森林 河 动物 鸟 花 山 风 海",
        "ja": "木 森 川 動物 鳥 花 山 風 海",
        "ko": "나무 숲 강 동물 새가 새들 꽃 산 바람 바다",
    },
    "courage": {
        "en": "brave* courage* hero* dar* bold* fearless",
        "de": "mut mutig* tapfer* held* kühn* wagte*",
        "fr": "courag* brave* héro* os* audac*",
        "es": "valient* valor coraj* héroe* atrev*",
        "it": "coraggi* eroe eroi ardit* os* valor*",
        "pt": "coraj* valent* herói* ousad*",
        "ru": "храбр* смел* мужеств* геро* отваг*",
        "tr": "cesur* cesaret* kahraman* yiğit*",
        "ar": "شجاع شجاعة شجاعا بطل جرأة",
        "hi": "बहादुर* साहस* हिम्मत वीर*",
        "zh": "勇敢 勇气 英雄 胆",
        "ja": "勇気 勇敢 英雄",
        "ko": "용기 용감 영웅",
    },
    "mystery": {
        "en": "myster* secret* clue* detective* strange* hidden riddle* disappear*",
        "de": "geheimnis* spur* detektiv* seltsam* verborgen* rätsel* verschw*",
        "fr": "myst* secret* indice* détectiv* étrang* énigm* dispar*",
        "es": "misteri* secret* pista* detectiv* extrañ* enigm* desapar*",
        "it": "mister* segret* indizi* detective stran* enigm* scompar*",
        "pt": "mistéri* segred* pista* detetiv* estranh* enigm* desapar*",
        "ru": "тайн* секрет* улик* сыщик* странн* загад* исчез*",
        "tr": "gizem* sır* ipucu* dedektif* garip*",
        "ar": "سر أسرار لغز غامض محقق غريب اختفى",
        "hi": "रहस्य* सुराग जासूस अजीब* पहेली",
        "zh": "秘密 神秘 谜 侦探 奇怪 消失",
        "ja": "謎 秘密 探偵 不思議",
        "ko": "비밀 수수께끼 탐정 이상한 신비",
    },
    "justice": {
        "en": "justice law judge* crime* guilt* innocent* prison* punish* thief thieves police court",
        "de": "gerecht* gesetz* richter* verbrech* schuld* unschuld* gefängnis* straf* dieb* polizei gericht",
        "fr": "justice loi lois juge* crime* coupable* innocent* prison* puni* voleur* police tribunal",
        "es": "justicia ley leyes juez jueces crimen culp* inocent* cárcel castig* ladrón policía",
        "it": "giustizia legge leggi giudic* crimin* colp* innocent* prigion* pun* ladr* polizia",
        "pt": "justiça lei leis juiz crime* culp* inocent* prisão castig* ladrão polícia",
        "ru": "справедлив* закон* суд* преступ* вин* тюрьм* наказ* вор вора воры полиц*",
        "tr": "adalet* yasa* yargı* suç* hapis* ceza* hırsız* polis*",
        "ar": "عدل عدالة قانون قاض القاضي جريمة ذنب بريء سجن عقاب لص شرطة",
        "hi": "न्याय कानून क़ानून अपराध दोषी जेल सज़ा चोर पुलिस",
        "zh": "正义 法律 法官 罪 监狱 惩罚 贼 小偷 警察",
        "ja": "正義 法 裁判 罪 牢 罰 泥棒 警察 いたずら",
        "ko": "정의 법 재판 죄 감옥 벌 도둑 경찰",
    },
    "wealth": {
        "en": "money gold* rich* poor* treasure* poverty coin* jewel* merchant*",
        "de": "geld* gold* reich* arm arme armen schatz schätze armut münze* juwel* kaufmann",
        "fr": "argent or riche* pauvre* trésor* misère pièce_d'or bijou* marchand*",
        "es": "dinero oro ric* pobre* tesoro* moneda* joya* mercader*",
        "it": "denaro soldi oro ricc* pover* tesor* monet* gioiell* mercant*",
        "pt": "dinheiro ouro ric* pobre* tesouro* moeda* joia* mercador*",
        "ru": "деньг* денег золот* богат* бедн* сокровищ* монет* купец купц*",
        "tr": "para parası altın* zengin* fakir* hazine* tüccar*",
        "ar": "مال المال ذهب الذهب غني فقير كنز كنوز تاجر",
        "hi": "पैसा पैसे धन सोना अमीर गरीब ग़रीब खज़ाना सिक्के",
        "zh": "钱 錢 金 财 富 穷 宝 商人",
        "ja": "お金 金 財宝 宝 貧し 金持ち 商人",
        "ko": "돈 금 부자 가난 보물 상인",
    },
    "faith": {
        "en": "god gods pray* church* priest* soul* heaven* holy temple* monk*",
        "de": "gott götter* gebet* bete* kirche* priester* seele* heilig* tempel* mönch*",
        "fr": "dieu* pri* église* prêtre* âme* saint* temple* moine*",
        "es": "dios* rez* iglesia* cura sacerdot* alma almas sant* templo* monje*",
        "it": "dio dei preg* chies* prete sacerdot* anima anime sant* tempi* monac*",
        "pt": "deus* rez* igreja* padre* alma almas sant* templo* monge*",
        "ru": "бог бога богу молит* молил* церк* священн* душ* свят* храм* монах*",
        "tr": "tanrı* allah dua* kilise* cami* rahip* ruh* kutsal* tapınak*",
        "ar": "الله إله صلاة صلى دعاء روح مسجد كنيسة كاهن مقدس راهب",
        "hi": "भगवान ईश्वर प्रार्थना मंदिर पुजारी आत्मा पूजा",
        "zh": "神 佛 祈祷 庙 灵魂 圣 和尚",
        "ja": "神 仏 祈 お寺 魂 お経 念仏",
        "ko": "신이 하느님 하나님 기도 교회 영혼 스님",
    },
    "science": {
        "en": "scien* machine* experiment* planet* robot* rocket* spaceship* laborator* invent* professor* computer*",
        "de": "wissenschaft* maschine* experiment* planet* roboter* rakete* raumschiff* labor* erfind* professor*",
        "fr": "scien* machine* expérience* planète* robot* fusée* laboratoire* invent* professeur*",
        "es": "cienc* científic* máquina* experiment* planeta* robot* cohete* laboratorio* invent* profesor*",
        "it": "scienz* macchin* esperiment* pianet* robot razz* laborator* invenzion* professor*",
        "pt": "ciênc* cientist* máquina* experi* planeta* robô* foguete* laborat* invent* professor*",
        "ru": "наук* учён* учен* машин* эксперимент* планет* робот* ракет* лаборатор* изобрет* профессор*",
        "tr": "bilim* makine* deney* gezegen* robot* roket* icat* profesör*",
        "ar": "علم علوم عالم آلة تجربة كوكب روبوت صاروخ مختبر اختراع",
        "hi": "विज्ञान मशीन प्रयोग ग्रह रोबोट रॉकेट आविष्कार वैज्ञानिक",
        "zh": "科学 机器 实验 星球 机器人 火箭 发明",
        "ja": "科学 機械 実験 惑星 ロボット ロケット 発明",
        "ko": "과학 기계 실험 행성 로봇 로켓 발명",
    },
    "growing up": {
        "en": "school* learn* teacher* grew young dream* lesson* student* boy* girl*",
        "de": "schule* lern* lehrer* wuchs jung* traum träum* lektion* schüler* junge mädchen",
        "fr": "école* appr* maître* grandi* jeune* rêv* leçon* élève* garçon* fille*",
        "es": "escuela* aprend* maestr* crec* joven jóvenes sueñ* soñ* lección alumn* niñ* muchach*",
        "it": "scuol* impar* maestr* crebbe giovan* sogn* lezion* alunn* ragazz* bambin*",
        "pt": "escola* aprend* professor* cresc* jovem jovens sonh* lição alun* menin*",
        "ru": "школ* учи* учител* вырос* молод* мечт* урок* ученик* мальчик* девочк*",
        "tr": "okul* öğren* öğretmen* büyü* genç* hayal* ders* çocuk*",
        "ar": "مدرسة تعلم معلم كبر شاب حلم درس تلميذ ولد فتاة صبي",
        "hi": "स्कूल पाठशाला सीख* शिक्षक गुरु बड़ा सपना सपने सबक लड़का लड़की",
        "zh": "学校 学习 老师 长大 年轻 梦想 学生 男孩 女孩",
        "ja": "学校 先生 習 育 若 夢 少年 少女",
        "ko": "학교 배우 선생님 자라 젊은 꿈 학생 소년 소녀",
    },
}

# --- People ----------------------------------------------------------------------------------------------------

# Verbs of speaking: whoever stands beside one is somebody.
SPEECH_VERBS: dict[str, str] = {
    "en": (
        "said says asked asks replied answered cried shouted whispered muttered murmured exclaimed called told laughed "
        "demanded growled snapped yelled screamed sighed remarked added continued began agreed nodded thought warned "
        "announced answers cries whispers calls replies croaked hissed grumbled chirped hooted explained insisted"
    ),
    "de": (
        "sagte sagt fragte fragt rief ruft antwortete antwortet erwiderte flüsterte flüstert schrie meinte meint "
        "sprach murmelte lachte dachte nickte seufzte brummte entgegnete wiederholte"
    ),
    "fr": "dit demanda répondit cria murmura répliqua fit s'écria chuchota ajouta reprit pensa demande répond",
    "es": "dijo dice preguntó pregunta respondió contestó gritó murmuró exclamó susurró añadió repuso pensó replicó",
    "it": "disse dice chiese domandò rispose gridò mormorò esclamò sussurrò aggiunse pensò fece",
    "pt": "disse diz perguntou respondeu gritou murmurou exclamou sussurrou acrescentou pensou",
    "ru": (
        "сказал сказала говорит говорил говорила спросил спросила ответил ответила крикнул крикнула прошептал "
        "прошептала "
        "подумал подумала воскликнул воскликнула закричал закричала"
    ),
    "tr": "dedi sordu bağırdı fısıldadı cevapladı yanıtladı söyledi diye düşündü seslendi",
    "ar": "قال قالت يقول تقول سأل سألت أجاب أجابت صاح صاحت صرخ صرخت همس همست فقال فقالت أخبر رد ردت أضاف",
    "hi": "कहा बोला बोली बोले पूछा चिल्लाया चिल्लाई बताया सोचा",
    "zh": "说 說 道 问 問 答 喊 叫 笑道 问道 答道 曰 想",
    "ja": "と言 と聞 と答 と叫 といい といっ とい がいい がいっ が言 は言",
    "ko": "말했 물었 대답했 외쳤 소리쳤 속삭 생각했 말하 물어 묻",
}

# What a name's next word looks like when the name does something; searched right after it, and a space.
ACTING: dict[str, str] = {
    "en": (
        r"(?:\w{2,}ed|was|had|is|has|found|saw|went|ran|came|took|knew|felt|thought|sat|stood|lay|held|made|gave|got|"
        r"heard|kept|left|let|put|began|fell|spoke|told|woke|rose|wore|bit|blew|broke|built|bought|"
        r"brought|caught|chose|"
        r"climbs?|could|would|did|drew|drove|ate|flew|forgot|grew|hid|led|leapt|lit|lost|met|read|rode|sang|shook|"
        r"slept|slid|spent|swam|swung|threw|turns|walks|looks|runs|goes|comes|sees|smiles|opens|lived|lives|won|wept)\b"
    ),
    "de": (
        r"(?:\w{2,}(?:te|ten)|war|hatte|ging|kam|sah|lief|saß|stand|lag|nahm|gab|fand|hielt|blieb|"
        r"ließ|rief|sprach|trat|"
        r"fiel|schrieb|schlief|trug|ist|hat|geht|kommt|sieht|wurde|wusste|dachte)\b"
    ),
    "fr": (
        r"(?:ne |se |s['’]|n['’]|l['’]|le |la |lui )?(?:était|avait|est|a|alla|vit|\w{2,}(?:ait|ut|it)|\w{3,}(?:a|e))\b"
    ),
    "es": r"(?:no |se |le |lo |la )?(?:era|estaba|había|fue|es|está|vio|dio|hizo|puso|\w{2,}(?:ó|ía|aba))\b",
    "it": r"(?:non |si |lo |la |le )?(?:era|aveva|è|ha|fu|fece|vide|prese|\w{2,}(?:ò|va|se|sse|ì))\b",
    "pt": r"(?:não |se |lhe )?(?:era|estava|tinha|foi|é|está|viu|deu|fez|pôs|\w{2,}(?:ou|eu|iu|ava|ia))\b",
    "ru": r"(?:не )?(?:\w{2,}(?:л|ла|лся|лась|ет|ит)|был|была)\b",
    "tr": r"(?:\w+ ){0,3}\w{2,}(?:dı|di|du|dü|tı|ti|tu|tü|yor|mış|miş|muş|müş)\b",
}

PERSON_TITLES: dict[str, str] = {
    "en": (
        "mr mrs ms miss dr doctor sir lady lord captain colonel general major sergeant lieutenant professor king queen "
        "prince princess uncle aunt father mother brother sister old young little grandma grandpa inspector "
        "judge saint "
        "master mistress madame count countess baron duke emperor"
    ),
    "de": (
        "herr frau fräulein doktor dr onkel tante könig königin prinz prinzessin kapitän professor graf gräfin "
        "hauptmann baron großvater großmutter opa oma bruder schwester meister meisterin"
    ),
    "fr": (
        "monsieur madame mademoiselle m mme mlle docteur oncle tante roi reine prince princesse capitaine "
        "professeur père mère grand-père grand-mère frère sœur cousin cousine vieux vieille maître"
    ),
    "es": (
        "señor señora señorita don doña doctor tío tía rey reina príncipe princesa capitán profesor san santa padre "
        "madre abuelo abuela hermano hermana primo prima viejo vieja maestro maestra"
    ),
    "it": (
        "signor signora signorina don donna dottor zio zia re regina principe principessa capitano professor san "
        "nonno nonna fratello sorella cugino cugina vecchio vecchia mastro maestro maestra"
    ),
    "pt": (
        "senhor senhora dom dona doutor tio tia rei rainha príncipe princesa capitão professor seu avô avó vovô vovó "
        "irmão irmã primo prima velho velha mestre"
    ),
    "ru": (
        "господин госпожа дядя тётя тетя дед бабушка баба князь княжна граф графиня царь царевна царевич доктор капитан"
    ),
    "tr": "bay bayan kral kraliçe prens prenses doktor kaptan amca teyze",
}

# Words before a capitalised word that make it a place rather than a person.
LOCATIVES: dict[str, str] = {
    "en": (
        "in at to from near into toward towards across through around throughout outside inside beyond over by "
        "on along "
        "behind under beside"
    ),
    "de": "in nach bei aus an am im auf durch vor hinter unter über neben zum zur",
    "fr": "à dans en vers près sur au aux par sous devant derrière chez jusqu'à",
    "es": "en hacia por desde sobre cerca bajo entre tras junto al",
    "it": "in verso presso nel nella nello sul sulla al alla per sotto",
    "pt": "em no na nos nas para por sobre até sob pelo pela ao",
    "ru": "в на у из к под над около через во по",
}

# Capitalised words that are nobody, beside the small words.
NOT_NAMES: dict[str, str] = {
    "en": (
        "god lord sir madam mister english french german american british indian chinese european african spanish "
        "italian russian roman greek sunday monday tuesday wednesday thursday friday saturday january february march "
        "april may june july august september october november december christmas easter i'm i'll i've i'd it's that's "
        "don't chapter part book act scene page int ext okay ok please thank thanks hello goodbye good come go "
        "look stop "
        "wait earth mars venus moon sun north south east west every each another many most something everyone "
        "everybody nobody "
        "whose whom whoever whatever why how everything nothing somebody someone anyone maybe perhaps let one "
        "two three four five six seven eight nine ten "
        "first last next finally suddenly later soon meanwhile today tomorrow yesterday tonight never always "
        "once there "
        "then this these those both such half none several few much dear ah oh hey hi ha hm hmm ugh alas voice"
    ),
    "de": (
        "gott herr frau montag dienstag mittwoch donnerstag freitag samstag sonntag januar februar märz april mai juni "
        "juli august september oktober november dezember kapitel szene akt teil mutter vater danach plötzlich "
        "dort bald "
        "endlich jetzt heute morgen gestern alle niemand etwas jemand nichts manchmal vielleicht draußen "
        "drinnen ende anfang mensch menschen leute jeden jede jeder jedes jedem stille wasser schweigen ruhe licht "
        "zeit feuer rauch staub luft blut geld glück liebe hunger durst niemals immer langsam leise schnell allein "
        "zusammen vorsichtig trotzdem hinter natürlich sofort zuerst zuletzt papa mama"
    ),
    "fr": (
        "dieu seigneur monsieur madame mademoiselle chapitre acte scène tout tous rien personne soudain enfin "
        "bientôt ensuite"
    ),
    "es": "dios señor señora don doña capítulo acto escena todo todos nada nadie entonces luego después pronto ahora",
    "it": "dio signore signora signor capitolo atto scena tutti niente nessuno allora dopo poi adesso",
    "pt": "deus senhor senhora dom dona capítulo ato cena todos nada ninguém então depois agora logo",
    "ru": "бог господи боже глава сцена действие все никто ничего потом тогда теперь вдруг наконец однажды",
    "tr": "allah tanrı bölüm perde sahne herkes hiç kimse sonra şimdi birden",
    "ar": (
        "يوما يوم ابن قوم له لها لهم لي لك لنا أن إن إنه إنها يا نعم لا ما من في على هذا هذه ذلك الملك الرجل "
        "المرأة الولد أحد "
        "أحدهم كل بعض "
        "هو هي قد فقد كيف لماذا متى أين الذي التي عنه منه عليه به بها أما وأما لأن كان ثم حتى بل إلا"
    ),
    "hi": (
        "जी लोग उस उसने मैं मैंने तुम तुमने हम हमने सब सबने किसी किसीने जिस जिसने वह वे उन उन्होंने आप आपने लोगों "
        "बच्चों सभी दोनों एक इस इन कोई "
        "माँ पिता ही भी और तो फिर उनमें"
    ),
    "zh": (
        "他们 我们 你们 她们 它们 自己 众人 大家 有人 人们 一个 这个 那个 再拜 大呼 只见 却说 且说 原来 于是 然后 忽然 "
        "不知 如此 又 "
        "大叫 大笑 大怒 大喜 此人 其人 二人 三人 一人 某 之 听说 据说 难道 知道 味道 街道 地道 一道 学问 叔叔 "
        "妈妈 爸爸 孩子 男孩 女孩 老人 使者 左右"
    ),
    "ja": (
        "それ これ あれ そこ ここ だれ みんな 自分 わたし ぼく おれ きみ あなた もの こと とき ところ それから "
        "そして でも しかし すると そこで むかし つぎ"
    ),
    "ko": (
        "그 그녀 그들 나 너 우리 저 누구 이것 그것 저것 사람 사람들 모두 아이 아이들 것 때 날 말 집 어느날 하루 "
        "이야기 하지만 그리고 그러나 오늘 여기 거기 지금"
    ),
}

# Articles and the like: they end the name of a place on its left.
DETERMINERS: dict[str, str] = {
    "en": "the a an this that these those his her their its my our your some any every each no of and",
    "de": (
        "der die das den dem des ein eine einen einem einer eines dieser diese dieses sein seine seinem seiner "
        "ihr ihre ihrem"
    ),
    "fr": "le la les l' un une des du de ce cette ces son sa ses leur leurs mon ma mes au aux",
    "es": "el la los las un una unos unas del al este esta ese esa su sus mi de aquel aquella",
    "it": "il lo la i gli le un uno una del della dello nel nella al alla sul sulla questo questa suo sua di",
    "pt": "o a os as um uma do da no na ao à este esta seu sua de",
}

# The articles before one who has no name; regular expressions.
ARTICLES: dict[str, str] = {
    "en": "the",
    "de": "der|die|das",
    "fr": "le|la|l['’]",
    "es": "el|la",
    "it": "il|lo|la|l['’]",
    "pt": "o|a",
}

# --- Who is meant, and what is only said -------------------------------------------------------------------------

# He, she and they as the one who does something: what carries somebody on from the scene before; regular expressions.
# `one` is a word for he and she alike, `sie` the German one whose verb tells whether it is she or they.
CARRYING: dict[str, dict[str, str]] = {
    "en": {"he": r"he|he['’](?:d|s|ll)", "she": r"she|she['’](?:d|s|ll)", "they": r"they|they['’](?:d|re|ve|ll)|both"},
    "de": {"he": "er", "they": "beide|die beiden", "sie": "sie"},
    "fr": {
        "he": r"il(?! (?:y |était une fois|faut|fallait|pleu|neig|fait |faisait |était (?:temps|tard|tôt|une)))",
        "she": "elle",
        "they": "ils|elles|tous les deux|toutes les deux",
    },
    "es": {"he": "él", "she": "ella", "they": "ellos|ellas|ambos|ambas|los dos|las dos"},
    "it": {"he": "lui|egli", "she": "lei|ella", "they": "loro|essi|esse|entrambi|entrambe"},
    "pt": {"he": "ele", "she": "ela", "they": "eles|elas|ambos|ambas|os dois|as duas"},
    "ru": {"he": "он", "she": "она", "they": "они|оба|обе"},
    "tr": {"they": "onlar|ikisi"},
    "ar": {"he": "[وف]?هو", "she": "[وف]?هي", "they": "[وف]?(?:هم|هما)"},
    "hi": {"one": "उसने", "they": "वे|उन्होंने|दोनों"},
    "zh": {"he": "(?<!其)他(?![们們人])", "she": "她(?![们們])", "they": "(?:他|她)[们們]|两人|兩人"},
    "ja": {"he": "彼(?![女ら])", "she": "彼女(?!ら|たち)", "they": "彼ら|彼女ら|彼女たち|二人[はが]"},
    "ko": {"he": "그[는가](?= )", "she": "그녀[는가]", "they": "그들[은이]|그녀들[은이]"},
}

# Words for people that tell he from she: beside a name they are about it; before a pronoun, what it stands for.
HE_WORDS: dict[str, str] = {
    "en": (
        "man boy father brother uncle grandfather grandpa son king prince mr sir lord husband lad gentleman knight "
        "wizard monk fisherman nephew grandson emperor duke count baron"
    ),
    "de": (
        "mann junge jungen vater bruder onkel großvater opa sohn könig prinz herr herrn fischer müller ritter bauer "
        "enkel neffe graf"
    ),
    "fr": "homme garçon père frère oncle grand-père fils roi prince monsieur mari chevalier pêcheur meunier vieux",
    "es": "hombre niño chico muchacho padre hermano tío abuelo hijo rey príncipe señor don pescador molinero viejo",
    "it": "uomo ragazzo bambino padre fratello zio nonno figlio re principe signor signore pescatore mugnaio vecchio",
    "pt": "homem menino rapaz garoto pai irmão tio avô filho rei príncipe senhor pescador moleiro velho",
    "ru": "мужчина мальчик парень отец брат дядя дед дедушка сын царь король принц старик рыбак мельник господин",
    "zh": "男人 男孩 老人 父亲 爸爸 爷爷 哥哥 弟弟 叔叔 国王 王子",
    "ja": "男 男の子 少年 父 お父さん おじいさん 兄 弟 王様 王子",
    "ar": "رجل الرجل ولد الولد الأب أبي أخي الملك الأمير الشيخ العجوز",
    "hi": "आदमी लड़का लड़के पिता भाई चाचा दादा राजा राजकुमार",
    "ko": "남자 소년 아버지 할아버지 형 오빠 왕 왕자",
}
SHE_WORDS: dict[str, str] = {
    "en": (
        "woman girl mother sister aunt grandmother grandma daughter queen princess mrs ms miss lady madam wife witch "
        "nun niece granddaughter empress duchess countess"
    ),
    "de": (
        "frau mädchen mutter schwester tante großmutter oma tochter königin prinzessin fräulein müllerin bäuerin "
        "enkelin nichte gräfin hexe"
    ),
    "fr": "femme fille fillette mère sœur tante grand-mère reine princesse madame mademoiselle sorcière vieille",
    "es": "mujer niña chica muchacha madre hermana tía abuela hija reina princesa señora señorita doña bruja vieja",
    "it": "donna ragazza bambina madre sorella zia nonna figlia regina principessa signora signorina strega vecchia",
    "pt": "mulher menina moça garota mãe irmã tia avó filha rainha princesa senhora bruxa velha",
    "ru": "женщина девочка девушка мать сестра тётя тетя бабушка дочь царица королева принцесса старуха госпожа",
    "zh": "女人 女孩 母亲 妈妈 奶奶 姐姐 妹妹 阿姨 王后 公主",
    "ja": "女 女の子 少女 母 お母さん おばあさん 姉 妹 王女",
    "ar": "امرأة المرأة بنت البنت فتاة الفتاة الأم أمي أختي الملكة الأميرة",
    "hi": "औरत लड़की माँ बहन चाची दादी रानी राजकुमारी",
    "ko": "여자 소녀 어머니 할머니 언니 누나 여왕 공주",
}

# What a thing is only likened to, with the words that liken: no place, time or weather stands in it; regular
# expressions, searched without regard to case.
LIKENED: dict[str, str] = {
    "en": (
        r"\b(?:like (?:an?|the|some|two)|as (?:if|though)|as \w+ as|than (?:an?|the)|more like)\b"
        r"(?:\s+[^\s,.;:!?…—”“\"]+){0,8}"
    ),
    "de": (
        r"\b(?:wie (?:ein\w*|der|die|das|im|in|auf|am|aus|von)|als (?:ob|wäre|wären|hätte|ein\w*))\b"
        r"(?:\s+[^\s,.;:!?…—“”«»]+){0,8}"
    ),
    "fr": r"\b(?:comme (?:un|une|si|s['’]|le|la|les|des|dans)|pareille?s? à)(?:\s?[^\s,.;:!?…—«»]+){0,8}",
    "es": r"\b(?:como (?:un|una|unos|unas|si|el|la|de)|igual que)\b(?:\s+[^\s,.;:!?…—«»]+){0,8}",
    "it": r"\b(?:come (?:un|uno|una|se|il|la|lo|di)\b|come un['’])(?:\s?[^\s,.;:!?…—«»]+){0,8}",
    "pt": r"\b(?:como (?:um|uma|se|o|a|de)|feito (?:um|uma))\b(?:\s+[^\s,.;:!?…—«»]+){0,8}",
    "ru": r"\b(?:как (?!только|раз|вдруг|же|бы|он|она|они|мы|вы|ты)|словно|будто|точно)\b(?:\s*[^\s,.;:!?…—«»]+){1,6}",
    "tr": r"(?<!\w)(?:[^\s,.;:!?…]{1,24}\s+){1,2}(?:gibi|kadar)\b",
    "ar": r"\b(?:مثل|كأن\w*)(?:\s+[^\s،.؛:!؟…]+){1,4}",
    "hi": r"(?<!\S)(?:[^\s,.;:!?…।]{1,24}\s+){1,2}(?:की तरह|के समान|जैस[ाेी])",
    "zh": r"(?:好像|就像|仿佛|彷彿|如同|宛如|犹如|像)[^，。！？；：、\s]{1,14}",
    "ja": r"[^、。！？「」\s]{1,8}(?:のよう[にな]|みたい)",
    "ko": r"(?<!\S)\S{1,16}?(?:처럼|같은|같이)",
}

# Where a word of time is not when it happens: a greeting, a meal that is still to come, another day.
NOT_NOW: dict[str, str] = {
    "en": (
        r"\b(?:good (?:morning|afternoon|evening|night)|(?:before|until|till|for) (?:\w+ )?(?:breakfast|"
        r"lunch|dinner|supper|morning|evening|night|nightfall|tomorrow)|"
        r"(?:last|tomorrow|yesterday) (?:night|morning|evening|afternoon))\b"
    ),
    "de": (
        r"\b(?:guten? (?:morgen|tag|abend|nacht)|(?:vor dem|bis zum|zum) (?:frühstück|"
        r"mittagessen|abendessen|abendbrot)|"
        r"(?:gestern|morgen) (?:früh|abend|nacht)|abend(?:essen|brot)|bis (?:zum )?(?:morgen|abend))\b"
    ),
    "fr": (
        r"\b(?:bonne (?:nuit|soirée)|(?:avant|jusqu['’]au) (?:le )?(?:petit[- ]déjeuner|dîner|soir|matin)|"
        r"hier (?:soir|matin))\b"
    ),
    "es": (
        r"\b(?:buen[oa]s (?:noches|tardes|días)|(?:antes de|hasta) (?:la |el )?"
        r"(?:noche|mañana|tarde|cena|desayuno))\b"
    ),
    "it": r"\b(?:buon[ao]? ?(?:notte|sera|giorno)|(?:prima di|fino a) (?:colazione|cena|sera|mattina))\b",
    "pt": r"\b(?:boa (?:noite|tarde)|(?:antes d[oa]|até) (?:a |o )?(?:jantar|noite|manhã|tarde))\b",
    "ru": r"\b(?:доброе утро|добрый (?:день|вечер)|спокойной ночи|(?:до|перед) (?:ужин\w*|завтрак\w*|утра|вечера))\b",
    "zh": "晚安|早上好|晚上好|早安",
}

# What looks like a time expression and tells no time.
NO_TIMES: dict[str, str] = {
    "en": (
        r"(?:(?:by|in|at|on|from|to|for|of) )?(?:(?:the|that|this|his|her|its) )?"
        r"(?!(?:after|before|until|till|by|toward|towards|next|last|same|following|every|each|a|an|one|"
        r"another|this|that) )(?:\w+ )?(?:dark|second)$"
    ),
}

# A name that is told as one: what stands right before it.
CALLED: dict[str, str] = {
    "en": "called named",
    "de": "heiße heißt hieß hießen namens genannt",
    "fr": "nommé nommée appelé appelée appelle",
    "es": "llamado llamada llama llamo llamaba",
    "it": "chiamato chiamata chiama chiamo chiamava",
    "pt": "chamado chamada chama chamo chamava",
    "ru": "зовут звали имени",
    "tr": "adında adı",
}
