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
    "المقدمة خاتمة الخاتمة प्रस्तावना उपसंहार 序 序章 序幕 楔子 引子 终章 終章 尾声 尾聲 プロローグ エピローグ 프롤로그 에필로그"
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
    "السابع الثامن التاسع العاشر الأولى الثانية الثالثة الرابعة الخامسة الحادي पहला पहली दूसरा दूसरी तीसरा तीसरी चौथा चौथी पाँचवा पाँचवाँ छठा "
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
        r"another|\d+) )+(?:\w+ )?(?:mornings?|afternoons?|evenings?|nights?|midnight|noon|dawn|daybreak|dusk|sunset|"
        r"sunrise|twilight|nightfall|dark|days?|weeks?|months?|years?|spring|summer|autumn|winter|hours?|minutes?|"
        r"seconds?|weekend|breakfast|lunch|dinner|supper|monday|tuesday|wednesday|thursday|friday|saturday|sunday|"
        r"january|february|april|june|july|august|september|october|november|december)\b|"
        r"\b(?:mornings?|afternoon|evening|night|hours?|minutes?|days?|weeks?|months?|years?|seconds?) "
        r"(?:later|after|afterwards?|before|passed|went|came|fell)\b|"
        r"\b(?:tomorrow|tonight|yesterday|midnight|daybreak|nightfall|o['’]clock|a\.m\.|p\.m\.|in (?:1[0-9]|20)\d\d)\b"
    ),
    "de": (
        r"\b(?:am|im|in|an|zu|gegen|seit|bis|vor|nach|eines|jeden|den|der|die|das|dem|diesem|diesen|jenem|jener|nächste[nrsm]?|"
        r"folgende[nrsm]?|andere[nrsm]?|selben|ganze[nrsm]?|letzte[nrsm]?|zwei|drei|vier|fünf|einige[nrsm]?|wenige[nrsm]?) (?:\w+ )?"
        r"(?:morgens?|vormittags?|mittags?|nachmittags?|abends?|nachts?|mitternacht|tag(?:e[sn]?)?|wochen?|monate?n?|jahre?n?|"
        r"stunden?|minuten?|frühlings?|sommers?|herbst(?:es)?|winters?|dämmerung|sonnenaufgang|sonnenuntergang|sonntags?|montags?|"
        r"dienstags?|mittwochs?|donnerstags?|freitags?|samstags?)\b|\b(?:tags darauf|tags zuvor|morgen früh|heute|gestern|"
        r"später|mitternacht)\b"
    ),
    "fr": (
        r"\b(?:le|la|les|ce|cette|un|une|au|à|dès|vers|chaque|après|avant|pendant|deux|trois|quatre|quelques|plusieurs|ces) (?:\w+ )?"
        r"(?:matin(?:ée)?|midi|après-midi|soir(?:ée)?|nuit|minuit|aube|aurore|crépuscule|jours?|journée|lendemain|semaines?|mois|"
        r"ans|années?|heures?|minutes?|printemps|été|automne|hiver|dimanche|lundi|mardi|mercredi|jeudi|vendredi|samedi|veille)\b|"
        r"\bl['’](?:aube|aurore|été|automne|hiver|après-midi|année)\b|\b(?:plus tard|demain|hier|le lendemain|minuit)\b"
    ),
    "es": (
        r"\b(?:el|la|los|las|al|a la|del|de la|una|un|aquella?|aquel|esa|ese|esta|este|cada|por la|dos|tres|cuatro|cinco|pocos|"
        r"pocas|algunos|algunas|varios|unos|unas|media) (?:\w+ )?(?:mañana|mediodía|tarde|noche|medianoche|madrugada|amanecer|alba|"
        r"anochecer|atardecer|crepúsculo|días?|semanas?|mes(?:es)?|años?|horas?|minutos?|primavera|verano|otoño|invierno|domingo|"
        r"lunes|martes|miércoles|jueves|viernes|sábado|víspera)\b|\b(?:más tarde|al (?:otro )?día siguiente|al cabo de|ayer|"
        r"anoche|han (?:corrido|pasado)|pasaron)\b"
    ),
    "it": (
        r"\b(?:il|la|le|lo|i|gli|un|una|al|alla|nel|nella|quel|quella|quello|questa|ogni|di|dopo|due|tre|quattro|pochi|poche|"
        r"qualche|verso) (?:\w+ )?(?:mattin[aeo]|mezzogiorno|pomeriggio|ser[ae]|nott[ei]|mezzanotte|tramonto|giorn[oi]|settiman[ae]|"
        r"mes[ei]|ann[oi]|or[ae]|minut[oi]|primavera|estate|autunno|inverno|domenica|lunedì|martedì|mercoledì|giovedì|venerdì|"
        r"sabato|vigilia)\b|\ball['’](?:alba|indomani)\b|\b(?:più tardi|domani|ieri|l['’]indomani|il giorno dopo)\b"
    ),
    "pt": (
        r"\b(?:o|a|os|as|no|na|ao|à|um|uma|naquel[ea]|aquel[ea]|ness[ea]|nest[ea]|cada|de|depois|dois|duas|três|quatro|poucos|"
        r"poucas|alguns|algumas|toda) (?:\w+ )?(?:manhã|meio-dia|tarde|noite|meia-noite|madrugada|amanhecer|anoitecer|entardecer|"
        r"dias?|semanas?|m[eê]s(?:es)?|anos?|horas?|minutos?|primavera|verão|outono|inverno|domingo|segunda|sexta|sábado|véspera)"
        r"\b|\b(?:mais tarde|no dia seguinte|amanhã|ontem)\b"
    ),
    "ru": (
        r"\b(?:на следующ\w+|на друго\w+|следующ\w+|одн\w+|эт\w+|т\w{1,2}|ранн\w+|поздн\w+|кажд\w+|через|спустя|в|к|до|под|"
        r"несколько|дв\w|тр\w+) (?:\w+ )?(?:утр\w+|полд\w+|вечер\w*|ноч\w+|полноч\w*|рассвет\w*|закат\w*|сумер\w+|дн\w+|день|"
        r"недел\w+|месяц\w*|год\w*|лет|час\w*|минут\w*|весн\w+|лет\w+|осен\w+|зим\w+)\b|\b(?:утром|вечером|ночью|днём|днем|"
        r"назавтра|наутро|завтра|вчера|полночь|на рассвете|позже)\b"
    ),
    "tr": (
        r"\b(?:ertesi|o|bir|bu|her|ilk|son|iki|üç|dört|beş|birkaç|önceki|sonraki) (?:\w+ )?(?:sabah\w*|öğle\w*|akşam\w*|gece\w*|"
        r"gün\w*|hafta\w*|ay|yıl\w*|saat\w*|dakika\w*|bahar\w*|yaz|sonbahar|kış\w*)\b|\b(?:sabahleyin|akşamleyin|geceleyin|"
        r"şafakta|gece yarısı|yarın|dün|sabah|daha sonra)\b|\b(?:gün|saat|yıl|ay|hafta|dakika) sonra\b"
    ),
    "ar": (
        r"(?:في|وفي|ذات|بعد|وبعد|قبل|منذ|كل|عند|وعند) (?:\S+ )?(?:ال)?(?:صباح|ظهر|ظهيرة|عصر|مساء|ليل|ليلة|منتصف|فجر|غروب|شروق|"
        r"يوم|أيام|الأيام|أسبوع|أسابيع|شهر|أشهر|شهور|سنة|سنوات|سنين|عام|أعوام|ساعة|ساعات|دقائق|ربيع|صيف|خريف|شتاء|غد)\b|"
        r"\b(?:صباحا|صباحاً|مساء|مساءً|ليلا|ليلاً|غدا|غداً|أمس|اليوم التالي|منتصف الليل)\b"
    ),
    "hi": (
        r"(?:अगले|अगली|दूसरे|उस|उसी|एक|इस|हर|रोज़?|कुछ|कई|दो|तीन|चार|पाँच|पिछले|उन) (?:\S+ )?(?:सुबह|सवेरे|दोपहर|शाम|रात|दिनों?|"
        r"सप्ताह|हफ़्ते|हफ्ते|महीने|महीनों|साल|सालों|वर्षों?|घंटे|घंटों|मिनट|देर|पल|बार|समय)|(?:के|थोड़ी देर) बाद|आधी रात|भोर|"
        r"सुबह-सुबह|कल सुबह|सुबह होते|रात को|शाम को|दिन भर"
    ),
    "zh": (
        r"(?:第[二三四五六七八九十两]|次|翌|隔|当|當|那|这|這|每|同|前|后|後|有一)(?:一)?(?:天|日|夜|晚|早|晨|年|月|周|星期)(?:早上|早晨|晚上|清晨|"
        r"傍晚|夜里|夜|晚|早)?|[一二两三四五六七八九十几数半]+(?:个|個)?(?:天|日|夜|年|月|周|星期|小时|小時|分钟|分鐘|时辰)(?:之)?(?:后|後|以后|过去|以前)|"
        r"(?:清晨|早晨|早上|上午|中午|正午|下午|傍晚|黄昏|黃昏|晚上|夜晚|夜里|半夜|深夜|午夜|黎明|天亮|天黑|日落|次早|是夜|当晚|當晚|翌日|明天|昨天|"
        r"春天|夏天|秋天|冬天|有一次|有一天|一天|后来|後來|不久|从此)"
    ),
    "ja": (
        r"(?:翌日|翌朝|次の日|次の朝|つぎの日|そのあくる日|あくる日|あくる朝|その日|その夜|その晩|ある日|ある朝|ある晩|ある夜|或日|或秋|"
        r"[一二三四五六七八九十数何]+(?:日|年|月|週間|か月|時間|分)(?:ほど)?(?:後|のち|たって|たつと|たった|して)|朝|昼|夕方|夕暮れ|夜|晩|真夜中|明け方|夜明け|"
        r"まもなく|しばらく(?:する|し)|やがて|そのうち|半時間|数日|つぎの|月夜|春|夏|秋|冬)"
    ),
    "ko": (
        r"(?:다음|이튿|그|어느|어떤|매일|며칠|한|두|세|몇|오늘|그날|지난) ?(?:날|아침|저녁|밤|오후|해|주|달|년|시간|분|봄|여름|가을|겨울)|(?:아침|점심|저녁|한밤중|"
        r"새벽|자정|오후|오전|해질녘|밤)(?:에|이|마다)?|(?:년|달|일|시간|분|주|날) ?(?:후|뒤|동안|이 지나|쯤)|얼마 (?:후|뒤)|잠시 후|나중에"
    ),
}

# Words that open a step in the telling: "meanwhile", "as soon as".
TIME_OPENERS: dict[str, str] = {
    "en": (
        r"(?:and |but |so )?(?:meanwhile|afterwards?|later|at last|at length|finally|presently|soon|then|when|once|since|"
        r"eventually|after|before|until|while|as soon as|by the time|it was|there was|for (?:a|some|several|the|two|three|"
        r"many)|during|now|suddenly|all at once|an hour|in the|at the|on the|outside|inside|back)\b"
    ),
    "de": (
        r"(?:und |aber )?(?:inzwischen|unterdessen|danach|darauf|später|endlich|schließlich|bald|dann|als|nachdem|bevor|"
        r"während|sobald|kaum|es war|plötzlich|seit|nun|da|einmal|draußen)\b"
    ),
    "fr": (
        r"(?:et |mais )?(?:cependant|pendant|ensuite|puis|enfin|bientôt|quand|lorsque|après|avant|depuis|dès que|à peine|"
        r"soudain|tout à coup|c['’]était|il était|comme|maintenant|aussitôt|peu à peu|une fois|dehors)\b"
    ),
    "es": (
        r"(?:y |pero )?(?:mientras|después|luego|entonces|por fin|finalmente|al fin|pronto|cuando|antes|desde|apenas|de "
        r"repente|de pronto|era|había|al cabo|ahora|ya|una vez|un día|dentro de|tras|poco)\b"
    ),
    "it": (
        r"(?:e |ma )?(?:intanto|frattanto|dopo|poi|infine|finalmente|presto|quando|prima|appena|mentre|da quando|"
        r"all['’]improvviso|era|c['’]era|ora|una volta|fuori)\b"
    ),
    "pt": (
        r"(?:e |mas )?(?:enquanto|entretanto|depois|então|por fim|finalmente|logo|quando|antes|desde|mal|de repente|era|"
        r"havia|agora|uma vez|lá fora)\b"
    ),
    "ru": (
        r"(?:и |а |но )?(?:тем временем|между тем|потом|затем|наконец|вскоре|скоро|когда|после|прежде|пока|едва|вдруг|"
        r"был[ао]?|теперь|однажды|как только|с тех пор|тогда)\b"
    ),
    "tr": r"(?:ve |ama )?(?:bu arada|sonra|sonunda|nihayet|yakında|derken|birden|bir gün|bir zamanlar|artık|önce|o sırada)\b",
    "ar": r"(?:و|ف)?(?:بعد|ثم|عندما|حين|حينما|لما|فلما|قبل|أخيرا|أخيراً|فجأة|بينما|كان|كانت|ذات|في|الآن|منذ|إذ)\b",
    "hi": r"(?:और |पर |लेकिन )?(?:फिर|तब|जब|बाद|अंत में|आख़िर|आखिर|अचानक|इसी बीच|एक दिन|एक बार|अब|तभी|इतने में|थोड़ी|आगे|जैसे ही)",
    "zh": r"(?:且说|却说|話說|话说|后来|後來|然后|然後|于是|於是|终于|終於|忽然|突然|不久|一会|这时|這時|那时|當|当|过了|過了|等到|直到|从此|原来)",
    "ja": r"(?:そこで|それから|すると|やがて|まもなく|しばらく|とうとう|突然|ついに|そのとき|その後|むかし|昔|いま|あるとき|そのうち)",
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
        "the and of to a in that it is was i for on you he be with as by at have are this not but had his they from she "
        "which or we an were been has their said what there if would will all so them when who him into out could my "
        "then her me no do your up about its over did down very now just like than been any only some other how our "
        "again where here off more can one even before after through around back against upon why yes oh well too mr mrs"
    ),
    "de": (
        "der die das und ist in zu den von mit sich auf für nicht ein eine als auch es an werden aus er hat dass sie "
        "nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr durch "
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
        "el la los las de del y que en un una a no se por con su para es al lo como más o pero sus le ya este sí porque "
        "esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno les ni contra "
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
        "onlar onu ona onun her şey değil diye dedi en ya hiç bile kendi şu böyle öyle oldu vardı yok iki ise hem çünkü "
        "artık nasıl neden"
    ),
    "pl": "i w nie na się że to z jest do jak ale co po tak za od go czy był już o jej tylko jego przez był była był",
    "nl": "de het een en van in is dat op te zijn met voor niet aan er om ook als dan maar bij hij zij was haar zich",
    "sv": "och att det i en som är av för på med den till han var inte om hon ett men sig jag så från hade de",
    "ar": (
        "في من على إلى أن ما لا هو هي كان كانت هذا هذه ذلك تلك التي الذي عن مع إن قد لم ثم أو و كل بعد قبل عند بين حتى إذا "
        "لو له لها لهم به بها فيه فيها منه منها عليه عليها إليه إليها لك لي بل غير أي يا كما لقد فقد وقد ولا وما فلما لما الذين "
        "وهو وهي أما إلا أنت أنا نحن هم قال قالت فقال"
    ),
    "hi": (
        "के में की है से को और का एक पर ने हैं भी यह वह था थी थे तो ही कि हो कर लिए नहीं इस उस जो कुछ अपने अपनी अपना गया "
        "गई गए सब क्या या तक जब तब फिर बहुत साथ बाद वे ये मैं तुम हम आप उसे उसने उन मुझे अब रहा रही रहे करने कहा सकता कोई किसी"
    ),
    "zh": (
        "他们 我们 你们 她们 它们 自己 什么 这个 那个 一个 没有 不是 就是 可以 这样 那样 怎么 因为 所以 但是 于是 然后 "
        "大家 有人 众人 这时 那时 现在 时候 起来 出来 知道 看见 二人 三人 左右 其人 先生 又 便 却 都 也 只 忙 笑 就 大 因 急 遂 乃"
    ),
    "ja": "それ これ あれ どれ そこ ここ あそこ どこ だれ 誰 みんな 自分 何 私 彼 彼女 彼ら 今 時 人 もの こと とき ところ そう",
    "ko": "그 그는 그가 그의 그녀 그것 이것 저것 우리 나 너 저 그들 그들은 것 수 때 안 더 또 다 모두 사람 아무 누가 누구 무엇 왜 여기 거기",
}
